// The CommonJS door of iris-actors; index.mjs opens the same room.
'use strict'

const { ActorRef } = require('./js/actor-ref.js')
const { Native } = require('./js/binding.js')
const { allocateBuffer } = require('./js/buffers.js')
const { ErrorCode, IrisError } = require('./js/errors.js')
const { Mailbox } = require('./js/mailbox.js')
const { devCerts } = require('./js/mesh.js')
const { NodeRuntime } = require('./js/runtime.js')
const { SystemMessage } = require('./js/system-message.js')

/** The product's version. */
function version() {
  return Native.version()
}

module.exports = {
  ActorRef,
  ErrorCode,
  IrisError,
  Mailbox,
  NodeRuntime,
  SystemMessage,
  allocateBuffer,
  devCerts,
  version,
}
