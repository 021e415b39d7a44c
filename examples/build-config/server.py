"""A whole MCP server without any package: one JSON-RPC message a line on stdin and stdout."""

import json
import sys

COUNT = {
    "name": "count",
    "description": "Counts the words of a text.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The text"}},
        "required": ["text"],
    },
}


def call(params):
    text = params.get("arguments", {}).get("text")
    if params.get("name") != "count" or not isinstance(text, str):
        return {"content": [{"type": "text", "text": "count takes a text"}], "isError": True}
    return {"content": [{"type": "text", "text": str(len(text.split()))}], "isError": False}


METHODS = {
    "initialize": lambda params: {
        "protocolVersion": params["protocolVersion"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "words", "version": "1.0.0"},
    },
    "ping": lambda params: {},
    "tools/list": lambda params: {"tools": [COUNT]},
    "tools/call": call,
}

for line in sys.stdin:
    if not line.strip():
        continue
    message = json.loads(line)
    if "id" not in message:
        continue  # a notification
    method = METHODS.get(message["method"])
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    if method is None:
        answer["error"] = {"code": -32601, "message": f"no method {message['method']}"}
    else:
        answer["result"] = method(message.get("params") or {})
    print(json.dumps(answer), flush=True)
