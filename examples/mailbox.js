// Mailbox: an async function that takes messages when it likes, learns of another actor's end, and selects.
'use strict'

const { NodeRuntime, SystemMessage } = require('iris-actors')

async function main() {
  const rt = new NodeRuntime({ logger: null })

  const worker = rt.spawn((message) => {
    if (String(message) === 'fail') throw new RangeError('out of paper')
  })

  const manager = rt.spawnWithMailbox(async (mailbox) => {
    const urgent = await mailbox.selectiveRecv((message) => String(message).startsWith('urgent'))
    console.log(String(urgent))
    for await (const message of mailbox) {
      if (message instanceof SystemMessage) {
        console.log(`${message.typeName}: ${message.reason}, ${message.metadata.message}`)
        return
      }
      console.log(String(message))
    }
  })
  rt.link(manager, worker)

  rt.send(manager, 'letter 1')
  rt.send(manager, 'urgent: print this')
  rt.send(manager, 'letter 2')
  while (rt.mailboxSize(manager) > 0) await new Promise(setImmediate)
  rt.send(worker, 'fail')

  await rt.join(manager)
  await rt.close()
}

main()

// > urgent: print this
// > letter 1
// > letter 2
// > EXIT: Crash, out of paper
