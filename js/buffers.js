// Buffers: memory that is filled in place and handed over without copying it.
'use strict'

const { count, pidOf } = require('./arguments.js')
const { Buffers } = require('./binding.js')
const { invalid } = require('./errors.js')
const { core } = require('./key.js')

/** The longest message: what the words between the native side and JavaScript can say. */
const SIZE_MAX = 0x1fff_ffff

const open = new Buffers()

function allocateBuffer(size) {
  if (count(size, 'size') > SIZE_MAX) throw invalid(`size must be at most ${SIZE_MAX}, not ${size}`)
  const { id, arrayBuffer } = open.allocate(size)
  return { id, buffer: Buffer.from(arrayBuffer) }
}

const buffers = {
  sendBuffer(pid, id) {
    return open.send(this[core].native, pidOf(pid), pidOf(id, 'id'))
  },
}

module.exports = { allocateBuffer, buffers }
