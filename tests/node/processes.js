// Processes: scripts run in a Node process of their own, and how those processes ended.
'use strict'

const { spawn } = require('node:child_process')
const path = require('node:path')

const ROOT = path.join(__dirname, '..', '..')
/** A process that has not ended by then never will. */
const HANG_MS = 30_000

/** Runs a script; what it printed, how it ended, and when. `rt` is a runtime that it has in its hands. */
function run(script, { args = [], runtime = 'new NodeRuntime()', hangMs = HANG_MS } = {}) {
  const source = `
    const { NodeRuntime, allocateBuffer } = require(${JSON.stringify(ROOT)})
    const rt = ${runtime}
    ${script}
  `
  return runSource(source, args, hangMs)
}

/** As `run`, of a whole source. */
function runSource(source, args = [], hangMs = HANG_MS) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args, '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', (data) => (out += data))
    child.stderr.on('data', (data) => (err += data))
    const deadline = setTimeout(() => child.kill('SIGKILL'), hangMs) // the deadline of the test
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(deadline)
      resolve({ out, err, code, signal, endedAt: Date.now() })
    })
  })
}

/** Does all the work, so many pieces at a time; a failure ends it. */
async function sideBySide(pieces, width, work) {
  const left = [...pieces]
  const worker = async () => {
    for (let piece = left.shift(); piece !== undefined; piece = left.shift()) await work(piece)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

module.exports = { ROOT, run, runSource, sideBySide }
