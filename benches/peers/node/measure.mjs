// Measure: clocks, counters, memory, and the line a sample is printed as; shared by every Node program beside this file.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'

export { assert, immediate, sleep }

export const BODY = Buffer.from('0123456789abcdef')
export const CRASH = Buffer.from('crash on purpose')
const DONE_WITHIN_MS = 60_000

export const now = () => performance.now()

/** So many things each second, since then. */
export const rate = (count, start) => ({ rate: (count * 1e3) / (now() - start) })

/** A latch that opens when it was counted down; one that does not is an error, not a hang. */
export function latch(count) {
  let open, refuse
  const opened = new Promise((resolve, reject) => ([open, refuse] = [resolve, reject]))
  let left = count
  return {
    one: () => {
      if ((left -= 1) === 0) open()
    },
    wait: async () => {
      const overdue = setTimeout(() => refuse(new Error(`${left} messages were not handled`)), DONE_WITHIN_MS)
      await opened
      clearTimeout(overdue)
    },
  }
}

export function residentBytes() {
  globalThis.gc?.()
  return Number(readFileSync('/proc/self/statm', 'ascii').split(' ')[1]) * 4096
}

/** The value at a percentile. */
export function percentile(values, percent) {
  values.sort((one, other) => one - other)
  return values[Math.ceil((values.length * percent) / 100) - 1]
}

/** The sample of W8a, from milliseconds. */
export function asked(each, start) {
  const sample = rate(each.length, start)
  return { ...sample, p50_us: percentile(each, 50) * 1e3, p99_us: percentile(each, 99) * 1e3 }
}

function work(rounds) {
  let sum = 0
  for (let round = 0; round < rounds; round += 1) sum = (sum * 31 + round) | 0
  return sum
}

/** How many rounds of `work` take two microseconds here. */
function roundsOfWork() {
  work(10_000_000)
  const start = now()
  work(10_000_000)
  return Math.max(1, Math.round((10_000_000 * 0.002) / (now() - start)))
}

/** The flooded actor of W10: busy for two microseconds with each message, until it is over. */
export function flood() {
  const rounds = roundsOfWork()
  const state = { over: false, handled: 0, sum: 0 }
  state.handler = () => {
    if (!state.over) state.sum ^= work(rounds)
    state.handled += 1
  }
  return state
}

/** Notes how late messages are handled: since they were sent, and since they were planned. */
export function lateness(count, done) {
  const sinceSent = new Float64Array(count)
  const sincePlanned = new Float64Array(count)
  let seen = 0
  return {
    note: (sent, planned) => {
      const at = now()
      sinceSent[seen] = at - sent
      sincePlanned[seen] = at - planned
      if ((seen += 1) === count) done()
    },
    sample: () => ({ p99_ms: percentile(sinceSent, 99), p99_planned_ms: percentile(sincePlanned, 99) }),
  }
}

// Those that measure memory or take their time by the clock are not run twice.
const COLD = new Set(['W1a', 'W1b', 'W10', 'W12'])

/** Takes the sample that the command line names, after a tenth of it for the compiler, and prints it as one line of JSON. */
export async function main(workloads) {
  const [workload, count] = [workloads[process.argv[2]], Number(process.argv[3])]
  if (!COLD.has(process.argv[2])) await workload(Math.max(1_000, count / 10))
  const sample = await workload(count)
  process.stdout.write(`${JSON.stringify(sample)}\n`, () => process.exit(0))
}
