// Examples: each runs, prints what it says it prints, and ends.
'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const EXAMPLES = path.join(__dirname, '..', '..', 'examples')
/** They print what they measured: `make demo`. The second is one half of an act, which a test in Python plays. */
const DEMO = ['demo.mjs', 'demo_mesh.mjs']

const examples = fs.readdirSync(EXAMPLES).filter((name) => /\.m?js$/.test(name) && !DEMO.includes(name))

test.each(examples)('%s prints what it says', (name) => {
  const file = path.join(EXAMPLES, name)
  const source = fs.readFileSync(file, 'utf8')
  const expected = [...source.matchAll(/^\/\/ > (.*)$/gm)].map((match) => match[1])
  expect(expected).not.toEqual([])
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 })
  expect({ status, stderr, lines: stdout.trimEnd().split('\n') }).toEqual({ status: 0, stderr: '', lines: expected })
})
