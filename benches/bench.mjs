// The Node rows of the speed table: each sample in a process of its own, one JSON line per figure on standard output.
//
// `bench.mjs` measures everything, `bench.mjs spawn fairness_p99` only those figures; `--quick` takes smaller counts and
// one repetition, and judges nothing. README.md beside this file says what each figure measures.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const REPETITIONS = 5
const SAMPLE_MS_MAX = 120_000
const QUICK_DIVISOR = 50
const SAMPLES = fileURLToPath(new URL('bench_samples.mjs', import.meta.url))

// What one process measures: a function of bench_samples.mjs, its count, and the figures it gives, in order.
const PLAN = [
  {
    sample: 'oneActor',
    count: 1_000_000,
    figures: [
      { figure: 'one_actor', unit: 'M/s', floor: 6 },
      { figure: 'bare_loop', unit: 'M/s' },
      { figure: 'one_actor_to_bare_loop', unit: 'ratio' },
    ],
  },
  { sample: 'oneActorRef', count: 1_000_000, figures: [{ figure: 'one_actor_ref', unit: 'M/s' }] },
  { sample: 'oneActorSendMany', count: 1_000_000, figures: [{ figure: 'one_actor_send_many', unit: 'M/s' }] },
  { sample: 'manyActors', count: 100_000, figures: [{ figure: 'many_actors', unit: 'M/s', floor: 5 }] },
  {
    sample: 'spawn',
    count: 1_000_000,
    figures: [
      { figure: 'spawn', unit: 'M/s', floor: 2 },
      { figure: 'idle_actor', unit: 'bytes', ceiling: 250 },
    ],
  },
  { sample: 'askSequential', count: 100_000, figures: [{ figure: 'ask_sequential', unit: 'k/s' }] },
  { sample: 'askInFlight', count: 300_000, figures: [{ figure: 'ask_1000_in_flight', unit: 'k/s' }] },
  { sample: 'pullRecv', count: 500_000, figures: [{ figure: 'pull_recv', unit: 'M/s' }] },
  { sample: 'pullPingPong', count: 100_000, figures: [{ figure: 'pull_ping_pong', unit: 'k round trips/s' }] },
  {
    sample: 'fairness',
    count: 1_000_000,
    figures: [
      { figure: 'fairness_p99', unit: 'ms', ceiling: 10 },
      { figure: 'fairness_p99_planned', unit: 'ms' },
    ],
  },
  {
    sample: 'timers',
    count: 1_000_000,
    figures: [
      { figure: 'timers_set', unit: 'ns' },
      { figure: 'timers_late_p99', unit: 'ms', ceiling: 5 },
    ],
  },
  { sample: 'timerCancel', count: 1_000_000, figures: [{ figure: 'timer_cancel', unit: 'ns', ceiling: 1_000 }] },
  {
    sample: 'importIris',
    count: 1,
    countQuick: 1,
    figures: [
      { figure: 'import_iris', unit: 'ms' },
      { figure: 'first_runtime', unit: 'ms' },
    ],
  },
]

/** Takes one sample in a fresh process. */
function take(sample, count) {
  const command = ['--expose-gc', SAMPLES, sample, String(count)]
  const done = spawnSync(process.execPath, command, { encoding: 'utf8', timeout: SAMPLE_MS_MAX })
  if (done.status !== 0) {
    console.error(`${sample} failed with ${done.signal ?? `status ${done.status}`}:\n${done.stderr || done.stdout}`)
    process.exit(1)
  }
  return JSON.parse(done.stdout)
}

const rounded = (value) => Number(value.toFixed(4))

/** The JSON object of a figure of which these values were taken. */
function line({ figure, unit, floor, ceiling }, values) {
  values.sort((one, other) => one - other)
  const value = values[Math.floor(values.length / 2)]
  const result = { lang: 'node', figure, value: rounded(value), unit, min: rounded(values[0]), max: rounded(values.at(-1)) }
  if (floor !== undefined) Object.assign(result, { floor, met: value >= floor })
  if (ceiling !== undefined) Object.assign(result, { ceiling, met: value <= ceiling })
  if (quick) delete result.met
  return result
}

const quick = process.argv.includes('--quick')
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

for (const { sample, count, countQuick, figures } of PLAN) {
  const names = [sample, ...figures.map(({ figure }) => figure)]
  if (wanted.length > 0 && !wanted.some((name) => names.includes(name))) continue
  const wantedCount = quick ? (countQuick ?? count / QUICK_DIVISOR) : count
  const taken = Array.from({ length: quick ? 1 : REPETITIONS }, () => take(sample, wantedCount))
  figures.forEach((figure, place) => {
    const values = taken.map((numbers) => numbers[place])
    console.log(JSON.stringify(line(figure, values)))
  })
}
