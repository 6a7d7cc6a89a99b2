// A tour of Iris in one run: 100,000 actors, crashes that heal, code swapped while messages flow, and what it measured.
import { setTimeout as sleep } from 'node:timers/promises'
import { NodeRuntime, version } from 'iris-actors'

const [ACTORS, ROUNDS, WORKERS, STREAM, ASKS] = [100_000, 10, 1_000, 500_000, 50_000]
const count = (number) => Math.round(number).toLocaleString('en')

function fail(otherwise) {
  console.error(`  the demo failed: ${otherwise}`)
  process.exit(1)
}

/** Waits for what must come true. The tour proves itself: what does not ends it with an error. */
async function until(isSo, otherwise) {
  const deadline = performance.now() + 10_000
  while (!isSo()) {
    if (performance.now() > deadline) fail(otherwise)
    await sleep(1)
  }
}

/** Prints one line of the tour, with its rate. */
function show(step, result, things, unit, began) {
  const rate = count((things / (performance.now() - began)) * 1_000)
  console.log(`  ${step.padEnd(6)}${result.padEnd(78)}${rate.padStart(12)} ${unit}/s`)
}

/** Very many actors, and messages to them all. */
async function spawnAndSend(rt) {
  let handled = 0
  const handler = () => (handled += 1)
  let began = performance.now()
  const pids = Array.from({ length: ACTORS }, () => rt.spawn(handler))
  show('spawn', `${count(pids.length)} actors live in this process`, ACTORS, 'actors', began)
  began = performance.now()
  for (let round = 0; round < ROUNDS; round += 1) for (const pid of pids) rt.send(pid, 'hello')
  await until(() => handled === ACTORS * ROUNDS, 'not every message was handled')
  show('send', `${count(handled)} messages sent, and every one handled`, handled, 'messages', began)
}

/** Supervised workers crash between two messages: each goes on with a fresh handler, the same pid, and its queue. */
async function heal(rt) {
  const seen = { made: 0, crashed: 0, worked: 0 }
  const makeWorker = () => {
    seen.made += 1
    return (message) => {
      if (message.equals(poison)) {
        seen.crashed += 1
        throw new Error('this worker has had enough')
      }
      seen.worked += 1
    }
  }
  const poison = Buffer.from('poison')
  const began = performance.now()
  const supervisor = rt.spawnSupervisor({ intensity: WORKERS })
  const workers = Array.from({ length: WORKERS }, () => rt.startChild(supervisor, makeWorker))
  for (const message of ['work', poison, 'work']) for (const pid of workers) rt.send(pid, message)
  await until(() => seen.worked === 2 * WORKERS && seen.made === 2 * WORKERS, 'not every job is done')
  await until(() => workers.every((pid) => rt.isAlive(pid)), 'not every worker is alive again')
  const healed = seen.made - WORKERS
  const jobs = `${count(seen.worked)} of ${count(2 * WORKERS)} jobs done`
  show('heal', `${count(seen.crashed)} workers crashed, ${count(healed)} healed, ${jobs}`, healed, 'crashes', began)
}

/** New code for an actor, again and again, while messages flow to it. */
async function swap(rt) {
  let expected = 0
  const handledBy = new Map()
  const makeHandler = (code) => (message) => {
    if (message.readUInt32LE() !== expected) fail('a message is lost, doubled or out of order')
    expected += 1
    handledBy.set(code, (handledBy.get(code) ?? 0) + 1)
  }
  const began = performance.now()
  const pid = rt.spawn(makeHandler(1))
  const body = Buffer.alloc(4)
  for (let number = 0; number < STREAM; number += 1) {
    body.writeUInt32LE(number)
    rt.send(pid, body)
    if (number % 10_000 === 5_000) rt.hotSwap(pid, makeHandler(rt.behaviorVersion(pid) + 1))
    if (number % 10_000 === 0) await sleep(0)
  }
  await until(() => expected === STREAM, 'not every message of the stream was handled')
  const swaps = rt.behaviorVersion(pid) - 1
  const lost = STREAM - [...handledBy.values()].reduce((sum, handled) => sum + handled, 0)
  const result = `code swapped ${swaps} times in a stream of ${count(STREAM)} messages: ${lost} lost, order kept`
  show('swap', result, STREAM, 'messages', began)
}

/** Questions, a thousand in flight. */
async function ask(rt) {
  const pid = rt.spawn((message) => message.toString().toUpperCase())
  const began = performance.now()
  for (let asked = 0; asked < ASKS; asked += 1_000) {
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => rt.ask(pid, 'hello')))
    if (!answers.every((answer) => answer.toString() === 'HELLO')) fail('a wrong answer')
  }
  show('ask', `${count(ASKS)} questions asked, and every one answered`, ASKS, 'asks', began)
}

console.log(`Iris ${version()} on Node ${process.versions.node}`)
const began = performance.now()
// Each crash is logged with its stack. A thousand of them on purpose are no news.
const rt = new NodeRuntime({ logger: null })
await spawnAndSend(rt)
await heal(rt)
await swap(rt)
await ask(rt)
const stats = rt.stats()
const dropped = Object.values(stats.dropped).reduce((sum, some) => sum + some, 0)
const due = ACTORS * ROUNDS + 3 * WORKERS + STREAM + ASKS
if (stats.sent !== due || stats.handled !== due || dropped !== 0) fail(`the counts do not add up: ${JSON.stringify(stats)}`)
const seconds = ((performance.now() - began) / 1_000).toFixed(1)
console.log(`  sum   ${count(stats.sent)} messages sent, ${count(stats.handled)} handled, ${dropped} dropped: it adds up (${seconds} s)`)
await rt.close()
