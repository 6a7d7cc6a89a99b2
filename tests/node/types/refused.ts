// What must not compile: each line marked so is an error of the kind users make.
import { IrisError, Mailbox, NodeRuntime, SystemMessage } from 'iris-actors'

const rt = new NodeRuntime()
const pid = rt.spawn(() => {})

// @ts-expect-error a handler is a function
rt.spawn('handler')
// @ts-expect-error a message is a Buffer
rt.spawn((message: string) => message)
// @ts-expect-error a number is no message
rt.send(pid, 7)
// @ts-expect-error an object is no message
rt.send(pid, { text: 'x' })
// @ts-expect-error a pid is a number
rt.send('pid', 'x')
// @ts-expect-error an answer is waited for
const answer: Buffer = rt.ask(pid, 'q')
// @ts-expect-error the options have other names
rt.ask(pid, 'q', { timeoutMs: 5 })
// @ts-expect-error there is no such policy
rt.setOverflowPolicy(pid, 'sometimes')
// @ts-expect-error there is no such strategy
rt.superviseWithFactory(pid, () => pid, 'one_for_two')
// @ts-expect-error a factory gives a pid
rt.superviseWithFactory(pid, () => 'pid')
// @ts-expect-error a bound is needed
rt.spawnBounded(() => {}, 100)
// @ts-expect-error a pull child needs to be told so
rt.startChild(pid, () => async (mailbox: Mailbox) => void (await mailbox.recv()))
// @ts-expect-error whereis may find nobody
const found: number = rt.whereis('name')
// @ts-expect-error a mailbox is given, not made
new Mailbox()
// @ts-expect-error a notice is given, not made
new SystemMessage()
// @ts-expect-error there is no such code
new IrisError('Nothing', 'message')
// @ts-expect-error whether it is closed can only be read
rt.closed = true

rt.spawnWithMailbox(async (mailbox) => {
  // @ts-expect-error a message may be a notice, or null
  const message: Buffer = await mailbox.recv()
  return message
})

export { answer, found }
