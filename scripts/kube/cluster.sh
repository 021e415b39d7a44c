#!/bin/bash
# A real Kubernetes for tests, in network namespaces of its own: etcd, API server, controllers, and one or two nodes with
# containerd, kubelet, kube-proxy and a controller of network policies. Called by scripts/kube.mjs, which makes its programs.
#   up [NODES]   1 or 2 nodes; 0: the API alone, on this machine's own loopback
#   down         ends all of it, by process id, and removes its namespaces, mounts and cgroups
#   lose NODE    ends the kubelet of node 1 or 2 as if it had died: what runs there goes on, and nobody hears of it
#   back NODE    starts it again
#   containers NODE NAMESPACE   those that run on it in pods of a namespace, by id
#   load IMAGE…  copies images from the Docker Engine to every node
#   kubectl …    as its administrator, inside its namespace
set -euo pipefail
ROOT=${LOOMS_KUBE_ROOT:?folder of the cluster that runs}
BIN=${LOOMS_KUBE_BIN:?the program that is all of Kubernetes}
PAUSE=${LOOMS_KUBE_PAUSE:?the static program of pod sandboxes}
CACHE=${LOOMS_KUBE_CACHE:?folder that keeps the image stores of nodes}
HOSTPORT=${LOOMS_KUBE_PORT:-16443} # 127.0.0.1:HOSTPORT outside reaches the API server
CONTAINERD=/usr/bin/containerd
CTR=/usr/bin/ctr
CNI=/usr/lib/cni
NS=looms-kube
SVC=10.96.0.0/16
API=10.77.0.1
P=$ROOT/pki L=$ROOT/log
say() { printf '%5d s  %s\n' "$SECONDS" "$*" >&2; }
netns() { if [ "$1" = 1 ]; then echo "$NS"; else echo "$NS-n$1"; fi; }
# NOT `ip netns exec`: that mounts a fresh /sys and so hides /sys/fs/cgroup
in_ns() { local n=$1; shift; if [ -z "$n" ]; then "$@"; else nsenter --net=/run/netns/"$n" -- "$@"; fi; }
start() { # start NETNS NAME CMD…  (NETNS '' = the caller's own)
  local n=$1 name=$2; shift 2
  if [ -z "$n" ]; then setsid "$@" >"$L/$name.log" 2>&1 </dev/null &
  else setsid nsenter --net=/run/netns/"$n" -- "$@" >"$L/$name.log" 2>&1 </dev/null &
  fi
  note "$name" $!
}
# a process by its id and by when it began: the id may be another's by now
began() { local line; { read -r line <"/proc/$1/stat"; } 2>/dev/null || return; line=${line##*) }; set -- $line; echo "${20}"; }
note() { echo "$1 $2 $(began "$2")" >>"$ROOT/pids"; }
end() { # end SIGNAL PREFIX: what was started under names that begin so
  local name pid start
  while read -r name pid start; do
    case $name in "$2"*) [ "$(began "$pid")" != "$start" ] || kill -s "$1" "$pid" 2>/dev/null || true ;; esac
  done <"$ROOT/pids"
}
wait_for() { # wait_for SECONDS WHAT CMD…
  local s=$1 what=$2; shift 2
  local end=$(( $(date +%s) + s ))
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt $end ] || { echo "timeout: $what" >&2; return 1; }
    sleep 0.1
  done
}

# none_running CTR…: nothing but stopped tasks is left there
none_running() { ! "$@" tasks ls 2>/dev/null | grep -q RUNNING; }
# no_cgroups: no process is left in the cgroups of the nodes
no_cgroups() { ! cat /sys/fs/cgroup/*/"$NS"-n?/cgroup.procs /sys/fs/cgroup/*/"$NS"-n?/*/*/cgroup.procs 2>/dev/null | grep -q .; }

pki() {
  mkdir -p -m 700 "$P"; cd "$P" # whoever has a key of it is root on this machine
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -subj /CN=kube-ca -days 3650 -out ca.crt 2>/dev/null
  openssl genrsa -out sa.key 2048 2>/dev/null; openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  cert() { # cert NAME SUBJECT SAN
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" \
      -extfile <(printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n%s' "${3:+subjectAltName=$3}") 2>/dev/null
  }
  cert apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$API,IP:10.96.0.1"
  cert apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
  cert admin /O=system:masters/CN=admin
  cert kcm /CN=system:kube-controller-manager
  cert scheduler /CN=system:kube-scheduler
  cert kube-proxy /CN=system:kube-proxy
  for i in 1 2; do cert "node$i" "/O=system:nodes/CN=system:node:node$i" "DNS:node$i,IP:10.77.0.$i"; done
  local ca; ca=$(base64 -w0 ca.crt)
  kc() { # kc FILE CERT SERVER
    cat >"$1" <<Y
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "$3", certificate-authority-data: $ca}}]
users: [{name: u, user: {client-certificate-data: $(base64 -w0 "$2.crt"), client-key-data: $(base64 -w0 "$2.key")}}]
Y
  }
  local url=https://$API:6443; [ -n "$NS" ] || url=https://127.0.0.1:$HOSTPORT
  for c in admin kcm scheduler kube-proxy node1 node2; do kc $c.kubeconfig $c "$url"; done
  kc host.kubeconfig admin "https://127.0.0.1:$HOSTPORT"
  cd - >/dev/null
}

net_up() {
  ip netns add "$NS"
  in_ns "$NS" bash -c "
    ip link set lo up
    ip link add node0 type bridge && ip addr add $API/24 dev node0 && ip link set node0 up
    ip route add default dev node0            # nothing behind it: no packet leaves
    sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1"
  local i
  for ((i=2; i<=$1; i++)); do
    local n; n=$(netns $i)
    ip netns add "$n"
    in_ns "$NS" ip link add "vn$i" type veth peer name eth0 netns "/run/netns/$n" 2>/dev/null ||
      { ip link add "vn$i" netns "$NS" type veth peer name eth0 netns "$n"; }
    in_ns "$NS" bash -c "ip link set vn$i master node0 up; ip route add 10.244.$i.0/24 via 10.77.0.$i"
    in_ns "$n" bash -c "ip link set lo up; ip addr add 10.77.0.$i/24 dev eth0; ip link set eth0 up
      ip route add default via $API; sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1"
  done
}

control_plane() {
  local e=http://127.0.0.1:$((HOSTPORT+1)) pe=http://127.0.0.1:$((HOSTPORT+2)) port=6443 bind=0.0.0.0 adv=$API kcmport=10257
  if [ -z "$NS" ]; then port=$HOSTPORT; bind=127.0.0.1; adv=127.0.0.1; kcmport=$((HOSTPORT+3)); fi
  start "$NS" etcd "$BIN" etcd --data-dir "$ROOT/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls $e --advertise-client-urls $e --listen-peer-urls $pe \
    --initial-advertise-peer-urls $pe --initial-cluster default=$pe
  start "$NS" kube-apiserver "$BIN" kube-apiserver --etcd-servers $e \
    --bind-address $bind --advertise-address $adv --secure-port $port \
    --tls-cert-file "$P/apiserver.crt" --tls-private-key-file "$P/apiserver.key" --client-ca-file "$P/ca.crt" \
    --kubelet-client-certificate "$P/apiserver-kubelet.crt" --kubelet-client-key "$P/apiserver-kubelet.key" \
    --kubelet-certificate-authority "$P/ca.crt" --kubelet-preferred-address-types InternalIP \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$P/sa.pub" \
    --service-account-signing-key-file "$P/sa.key" --service-cluster-ip-range $SVC \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --profiling=false
  wait_for 120 apiserver in_ns "$NS" curl -fs --cacert "$P/ca.crt" --cert "$P/admin.crt" --key "$P/admin.key" https://$adv:$port/readyz
  say "API server ready"
  start "$NS" kube-controller-manager "$BIN" kube-controller-manager --kubeconfig "$P/kcm.kubeconfig" \
    --kube-api-qps 500 --kube-api-burst 500 \
    --leader-elect=false --use-service-account-credentials --service-account-private-key-file "$P/sa.key" \
    --root-ca-file "$P/ca.crt" --cluster-signing-cert-file "$P/ca.crt" --cluster-signing-key-file "$P/ca.key" \
    --controllers '*,-node-ipam-controller' --bind-address 127.0.0.1 --secure-port $kcmport --profiling=false
  [ -z "$NS" ] && return
  setsid "$BIN" fwd 127.0.0.1:"$HOSTPORT" /run/netns/"$NS" $API:6443 >"$L/fwd.log" 2>&1 </dev/null & note fwd $!
}

cgroups() { # one cgroup root for each node: two kubelets would delete each other's pods
  local c d
  for c in /sys/fs/cgroup/*/; do
    [ -w "$c" ] || continue
    d=$c$1; mkdir -p "$d"
    if [ -e "$d/cpuset.cpus" ]; then cat "${c}cpuset.cpus" >"$d/cpuset.cpus"; cat "${c}cpuset.mems" >"$d/cpuset.mems"; fi
  done
}

containerd_up() { # containerd_up I
  local i=$1 n=$ROOT/n$1; local croot=$CACHE/containerd-n$1; mkdir -p "$n/cni" "$croot"
  cat >"$n/cni/10-k8s.conflist" <<J
{"cniVersion":"1.0.0","name":"k8s","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"hairpinMode":true,"ipMasq":false,"mtu":1500,
  "ipam":{"type":"host-local","dataDir":"$n/cni-data","ranges":[[{"subnet":"10.244.$i.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
J
  cat >"$n/containerd.toml" <<T
version = 2
root = "$croot"
state = "$n/containerd-state"
[grpc]
  address = "$n/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/local/pause:1"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI"
    conf_dir = "$n/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "$n/runc"
T
  start "$(netns "$i")" "containerd$i" "$CONTAINERD" --config "$n/containerd.toml" --log-level info
  wait_for 30 containerd "$CTR" -a "$n/containerd.sock" version
  static_image pause "$PAUSE" | "$CTR" -a "$n/containerd.sock" -n k8s.io images import - >/dev/null
}

static_image() { # static_image NAME BINARY: a docker-archive tar of one static binary, made without any engine
  local d; d=$(mktemp -d); mkdir "$d/l"; cp "$2" "$d/l/$1"
  tar -C "$d/l" --owner=0 --group=0 -cf "$d/layer.tar" "$1"
  local diff; diff=$(sha256sum "$d/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/%s"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$1" "$diff" >"$d/config.json"
  printf '[{"Config":"config.json","RepoTags":["docker.io/local/%s:1"],"Layers":["layer.tar"]}]' "$1" >"$d/manifest.json"
  tar -C "$d" -cf - manifest.json config.json layer.tar; rm -rf "$d"
}

kubelet_up() { # kubelet_up I
  local i=$1 n=$ROOT/n$1
  start "$(netns "$i")" "kubelet$i" "$BIN" kubelet --config "$n/kubelet.yaml" --kubeconfig "$P/node$i.kubeconfig" \
    --hostname-override "node$i" --node-ip "10.77.0.$i" --root-dir "$n/kubelet"
}
# gone NAME: nothing that was started under it runs
gone() {
  local name pid start
  while read -r name pid start; do
    if [ "$name" = "$1" ] && [ "$(began "$pid")" = "$start" ]; then return 1; fi
  done <"$ROOT/pids"
}

node_up() { # node_up I
  local i=$1 n=$ROOT/n$1; mkdir -p "$n/kubelet" "$n/pods"
  cgroups "$NS-n$i"
  printf 'nameserver 10.96.0.10\n' >"$n/resolv.conf"
  cat >"$n/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$NS-n$i
containerRuntimeEndpoint: unix://$n/containerd.sock
address: 10.77.0.$i
healthzBindAddress: 127.0.0.1
healthzPort: 10248
readOnlyPort: 0
tlsCertFile: $P/node$i.crt
tlsPrivateKeyFile: $P/node$i.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $P/ca.crt}}
authorization: {mode: Webhook}
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
resolvConf: $n/resolv.conf
podLogsDir: $n/pods
failSwapOn: false
enforceNodeAllocatable: [pods]
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
serializeImagePulls: false
nodeStatusUpdateFrequency: 5s
syncFrequency: 10s
Y
  kubelet_up "$i"
  cat >"$n/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: node$i
clientConnection: {kubeconfig: $P/kube-proxy.kubeconfig}
clusterCIDR: 10.244.0.0/16
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 0s, syncPeriod: 30s}
Y
  start "$(netns "$i")" "kube-proxy$i" "$BIN" kube-proxy --config "$n/kube-proxy.yaml"
}

SYSCTLS="vm/overcommit_memory kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes vm/panic_on_oom"
case ${1:-} in
up)
  N=${2:-1}
  [ -e "$ROOT/pids" ] && { echo "it is up already, or was not taken down: npm run kube -- down" >&2; exit 1; }
  [ "$N" = 0 ] || [ ! -e /var/lib/kubelet ] || { echo "this machine has a kubelet of its own (/var/lib/kubelet)" >&2; exit 1; }
  mkdir -p "$ROOT" "$L"; : >"$ROOT/pids"
  [ "$N" = 0 ] && NS=''; echo "NS=$NS" >"$ROOT/env"
  for s in $SYSCTLS; do echo "$s $(cat /proc/sys/$s)"; done >"$ROOT/sysctls"   # the kubelet changes these
  pki; say "PKI made"
  [ -n "$NS" ] && net_up "$N"
  bg=(); for ((i=1; i<=N; i++)); do containerd_up $i & bg+=($!); done
  control_plane
  for p in "${bg[@]}"; do wait "$p"; done
  for ((i=1; i<=N; i++)); do node_up $i; done
  if [ "$N" -gt 0 ]; then
    start "$NS" kube-scheduler "$BIN" kube-scheduler --kubeconfig "$P/scheduler.kubeconfig" --leader-elect=false --bind-address 127.0.0.1 --profiling=false
    K=(in_ns "$NS" "$BIN" kubectl --kubeconfig "$P/admin.kubeconfig")
    for ((i=1; i<=N; i++)); do
      wait_for 60 "node$i registered" "${K[@]}" get node "node$i"
      start "$(netns $i)" "netpol$i" "$BIN" netpol --kubeconfig "$P/admin.kubeconfig" --node "node$i" --service-cidr $SVC -v=2
    done
    say "nodes registered"
    "${K[@]}" wait --for=condition=Ready nodes --all --timeout=60s >/dev/null
  fi
  # a pod made before its service account exists is refused (403)
  wait_for 60 "service account default" in_ns "$NS" "$BIN" kubectl --kubeconfig "$P/admin.kubeconfig" get sa default
  say "up: KUBECONFIG=$P/host.kubeconfig${NS:+ (outside) or $P/admin.kubeconfig (inside netns $NS)}"
  ;;
down)
  # pods first, so that the kubelet takes their sandboxes down
  if [ -e "$ROOT/pids" ]; then
    for w in kubelet kube-proxy netpol; do end TERM "$w"; done
    for n in "$ROOT"/n?; do
      [ -S "$n/containerd.sock" ] || continue
      C=("$CTR" -a "$n/containerd.sock" -n k8s.io)
      for t in $("${C[@]}" tasks ls -q 2>/dev/null); do "${C[@]}" tasks kill -s KILL "$t" >/dev/null 2>&1 || true; done
      wait_for 5 'processes of pods' none_running "${C[@]}" || true
      for t in $("${C[@]}" tasks ls -q 2>/dev/null); do "${C[@]}" tasks rm -f "$t" >/dev/null 2>&1 || true; done
      for t in $("${C[@]}" containers ls -q 2>/dev/null); do
        "${C[@]}" containers rm "$t" >/dev/null 2>&1 || true
        rm -f "/run/containerd/s/$(printf %s "$n/containerd.sock/k8s.io/$t" | sha256sum | cut -d' ' -f1)"   # its shim's socket
      done
    done
    # nothing here is worth an orderly end: the API server alone would take 10 s
    end KILL ''
  fi
  # shims left over, found by the socket address on their command line
  for p in /proc/[0-9]*; do
    if { tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null | grep -q -- "containerd-shim.*-address $ROOT/"; then kill -9 "${p#/proc/}" 2>/dev/null || true; fi
  done
  for _ in 1 2 3; do
    awk -v r="$ROOT/" 'index($2,r)==1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m" 2>/dev/null || true; done
  done
  for n in "$NS" "$NS-n2"; do [ -e /run/netns/$n ] && ip netns del $n; done
  wait_for 5 cgroups no_cgroups || true
  find /sys/fs/cgroup/*/"$NS"-n? -depth -type d -exec rmdir {} \; 2>/dev/null || true
  [ -d "$ROOT/n1" ] && while read -r s v; do [ "$(cat /proc/sys/$s)" = "$v" ] || echo "$v" >/proc/sys/$s; done <"$ROOT/sysctls"
  # what kubelet, containerd and CNI leave outside ROOT
  if [ -d "$ROOT/n1" ]; then
    find /var/log/containers -maxdepth 1 -type l -lname "$ROOT/*" -delete 2>/dev/null || true
    rm -f /var/lib/kubelet/device-plugins/kubelet.sock; rmdir -p /var/lib/kubelet/device-plugins 2>/dev/null || true
    find /var/lib/cni/results -newer "$ROOT/sysctls" \( -name 'k8s-*' -o -name 'cni-loopback-*' \) -delete 2>/dev/null || true
  fi
  rm -rf "${ROOT:?}"
  ;;
lose) end KILL "kubelet$2"; wait_for 5 "the end of kubelet$2" gone "kubelet$2" ;;
back) . "$ROOT/env"; gone "kubelet$2" && kubelet_up "$2" ;;
containers)
  C=("$CTR" -a "$ROOT/n$2/containerd.sock" -n k8s.io)
  running=$("${C[@]}" tasks ls | awk '$3 == "RUNNING" {print $1}')
  # the sandbox of a pod is one as well, of another kind
  "${C[@]}" containers ls -q "labels.\"io.kubernetes.pod.namespace\"==$3,labels.\"io.cri-containerd.kind\"==container" | grep -Fxf <(echo "$running") || true
  ;;
load)
  shift
  for n in "$ROOT"/n?; do docker save "$@" | "$CTR" -a "$n/containerd.sock" -n k8s.io images import - >/dev/null; done
  ;;
kubectl) shift; . "$ROOT/env"; in_ns "$NS" "$BIN" kubectl --kubeconfig "$P/admin.kubeconfig" "$@" ;;
*) sed -n '4,10s/^# *//p' "$0" >&2; exit 64 ;;
esac
