// What must compile: every call as a user writes it.
import { ActorRef, ErrorCode, IrisError, Mailbox, NodeRuntime, SystemMessage, allocateBuffer, version } from 'iris-actors'
import type { ActorInfo, ObservedMessage, Pid, RuntimeStats, ShutdownReport } from 'iris-actors'

async function main(): Promise<void> {
  await using rt = new NodeRuntime({ logger: null })
  const pid: Pid = rt.spawn((message) => {
    const text: string = message.toString('utf8')
    return text
  })
  rt.spawn(async (message) => Buffer.from(message), 10)
  rt.spawn(() => undefined)
  rt.spawn(() => 7)
  const sent: boolean = rt.send(pid, new Uint8Array(3)) && rt.send(pid, 'text') && rt.send(pid, new ArrayBuffer(3))
  const accepted: number = rt.sendMany(pid, ['a', Buffer.alloc(1)])
  const answer: Buffer = await rt.ask(pid, 'q', { timeout: null, signal: AbortSignal.timeout(10) })

  const pull: Pid = rt.spawnWithMailbox(async (mailbox: Mailbox) => {
    for await (const message of mailbox) {
      if (message instanceof SystemMessage) {
        const about: number | null = message.targetPid
        console.log(message.typeName, about, message.metadata?.traceback)
      } else {
        const replied: boolean = mailbox.reply(message, message.subarray(1))
        console.log(replied)
      }
    }
    const next: Buffer | SystemMessage | null = await mailbox.recv(0.5)
    const many: (Buffer | SystemMessage)[] = await mailbox.recvMany(10, 1)
    const chosen = await mailbox.selectiveRecv((message) => message instanceof Buffer, null, {
      signal: new AbortController().signal,
    })
    console.log(next, many, chosen, mailbox.pid, mailbox.stopped)
  })

  const ref: ActorRef = rt.actorRef(pull)
  ref.send('x')
  console.log(await ref.ask('q'), ref.isAlive, ref.stop())

  rt.register('name', pid)
  const found: number | null = rt.whereis('name')
  const supervisor = rt.spawnSupervisor({ strategy: 'rest_for_one', intensity: 3, period: 5, backoff: [0.01, 1] })
  rt.startChild(supervisor, () => () => 'x', { restart: 'transient', name: 'child' })
  rt.startChild(supervisor, () => async (mailbox) => void (await mailbox.recv()), { kind: 'pull' })
  rt.superviseWithFactory(pid, async () => rt.spawn(() => {}), 'RestartAll')
  rt.setOverflowPolicy(rt.spawnBounded(() => {}, undefined, 5), 'redirect', pid)
  const timer: number = rt.sendAfter(pid, 10, 'x')
  rt.cancelTimer(timer)
  const messages: ObservedMessage[] = rt.getMessages(rt.spawnObservedHandler())
  const info: ActorInfo | null = rt.actorInfo(pid)
  const stats: RuntimeStats = rt.stats()
  const { id, buffer } = allocateBuffer(10)
  buffer.fill(1)
  rt.sendBuffer(pid, id)
  const joined: boolean = await rt.join(pid, 1)
  const report: ShutdownReport = await rt.unref().ref().shutdown(1)
  console.log(sent, accepted, answer, found, messages, info?.kind, stats.dropped.NoProcess, joined, report, version())

  try {
    rt.stop(pid)
  } catch (error) {
    if (error instanceof IrisError && error.code === ErrorCode.NoProcess) console.log(error.message)
  }
}

void main()
