// Buffer ids: a number names one buffer, or none.
'use strict'

const { allocateBuffer } = require('../..')
const { closeAll, open } = require('./helpers.js')

afterEach(closeAll)

test('a number that names no buffer hands over no other one', () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  const { id, buffer } = allocateBuffer(10)
  for (const other of [id + 0.7, id + 2 ** 32, id - 2 ** 32, -id, NaN, Infinity, 1e300]) {
    expect(() => rt.sendBuffer(pid, other)).toThrow(expect.objectContaining({ code: 'NoSuchBuffer' }))
  }
  expect(buffer).toHaveLength(10)
  expect(rt.sendBuffer(pid, id)).toBe(true)
})
