type Schema = Record<string, unknown>;
export declare function withoutCamelCase(schema: Schema): Schema;
export declare function withCamelCase(schema: Schema): Schema;
export declare function withoutAnnotations(schema: Schema): Schema;
export declare function shapeOf(schema: Schema): unknown;
export declare function policySchema(project: Schema): Schema;
