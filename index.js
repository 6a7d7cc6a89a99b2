// The CommonJS door of iris-actors; index.mjs opens the same room.
'use strict'

const { version } = require('./js/binding.js')
const { ActorRef } = require('./js/actor-ref.js')
const { ErrorCode, IrisError } = require('./js/errors.js')
const { Mailbox } = require('./js/mailbox.js')
const { NodeRuntime } = require('./js/runtime.js')
const { SystemMessage } = require('./js/system-message.js')

module.exports = { ActorRef, ErrorCode, IrisError, Mailbox, NodeRuntime, SystemMessage, version }
