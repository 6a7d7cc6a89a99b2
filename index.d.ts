// The types of iris-actors, written by hand, by nouns; tests/node/types checks them against tsc and against the running code.

/// <reference types="node" />

export * from './types/errors.js'
export * from './types/inspection.js'
export * from './types/mailbox.js'
export * from './types/mesh.js'
export * from './types/messages.js'
export * from './types/runtime.js'
export * from './types/supervision.js'
