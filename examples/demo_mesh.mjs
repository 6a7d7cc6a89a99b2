// The Node node of the tour's second act: demo_mesh.py starts it, speaks to it and kills it.
import { NodeRuntime } from 'iris-actors'

const [, , address, certificates, other] = process.argv
const rt = new NodeRuntime({ logger: null })
let tally = 0

/** Sends numbers to the actor that python calls tally. */
async function send(count) {
  const pid = await rt.resolveRemote(other, 'tally')
  const body = Buffer.alloc(4)
  for (let number = 0; number < count; number += 1) {
    body.writeUInt32LE(number)
    // False: as much is under way as python lets pile up there.
    if (!rt.send(pid, body) && !(await rt.sendWhenRoom(pid, body))) throw new Error('python is gone')
  }
  return 'sent'
}

/** Counts the numbers that come in order, and does what python tells it to. */
async function tour(message) {
  if (message.length === 4 && message.readUInt32LE() === tally) tally += 1
  const [what, count] = message.toString().split(' ')
  if (what === 'find') return String(await rt.resolveRemote(other, 'tally'))
  if (what === 'send') return send(Number(count))
  if (what === 'tally') return String(tally)
}

rt.register('tour', rt.spawn(tour))
rt.register('shout', rt.spawn((message) => message.toString().toUpperCase()))
console.log(rt.listen(address, { name: 'node', certificates }))
// It ends with whoever started it.
process.stdin.resume().on('end', () => rt.close())
