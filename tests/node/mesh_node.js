// A node of its own: a process that the mesh's tests start, speak to and kill.
'use strict'

const { NodeRuntime } = require('../..')

const rt = new NodeRuntime({ logger: null })
const got = []
const fragile = (message) => {
  if (String(message) === 'crash') throw new RangeError('told to crash')
}
const count = (message) => {
  if (String(message) !== 'how many?') got.push(String(message))
  const inOrder = got.every((text, number) => text === String(number))
  return `${got.length} ${inOrder ? 'True' : 'False'}`
}
rt.register('echo', rt.spawn((message) => message))
rt.register('fragile', rt.spawn(fragile))
rt.register('count', rt.spawn(count))
const [, , address = '127.0.0.1:0', directory, ...members] = process.argv
const certificates = directory || undefined
const name = certificates && 'node'
console.log(rt.listen(address, { name, heartbeatMs: 500, certificates }))
if (members.length > 0) {
  rt.joinMesh(members)
  rt.register('node', rt.spawn((message) => message), { global: true })
}
process.stdin.resume().on('end', () => rt.close())
