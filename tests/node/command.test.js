// The command `iris`: what it makes, says and refuses.
'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { spawnSync } = require('node:child_process')

const { version } = require('../..')
const { closeAll, open } = require('./helpers.js')

const { bin } = require('../../package.json')
const COMMAND = path.join(__dirname, '..', '..', bin.iris)
let directory

/** Runs it as the shell does; the result is its status and what it said. */
function run(...args) {
  const { status, stdout, stderr } = spawnSync(COMMAND, args, { encoding: 'utf8', timeout: 20_000 })
  return { status, stdout, stderr }
}

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'iris-'))
})

afterEach(async () => {
  await closeAll()
  fs.rmSync(directory, { recursive: true })
})

test('certificates are made for nodes that then speak', async () => {
  const certificates = path.join(directory, 'certs')
  const made = ['ca.pem', 'ca.key', 'one.pem', 'one.key', 'other.pem', 'other.key']
  const stdout = made.map((name) => `${path.join(certificates, name)}\n`).join('')
  expect(run('certs', 'init', certificates, 'one', 'other')).toEqual({ status: 0, stdout, stderr: '' })
  expect(fs.readdirSync(certificates).sort()).toEqual([...made].sort())
  const keys = made.filter((name) => name.endsWith('.key'))
  for (const name of keys) expect(fs.statSync(path.join(certificates, name)).mode & 0o777).toBe(0o600)
  const address = open().listen('127.0.0.1:0', { name: 'one', certificates })
  const rt = open()
  rt.startMesh({ name: 'other', certificates })
  expect(await rt.isNodeUp(address)).toBe(true)
})

test('keys are never overwritten', () => {
  expect(run('certs', 'init', directory).status).toBe(0)
  expect(run('certs', 'init', directory, 'one').status).toBe(0)
  const state = () => fs.readdirSync(directory).map((name) => [name, fs.readFileSync(path.join(directory, name), 'utf8')])
  const before = state()
  const { status, stdout, stderr } = run('certs', 'init', directory, 'two', 'one')
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^iris: certificates in .*one\.key exists already; remove it to make another\n$/)
  expect(state()).toEqual(before)
})

test.each([
  [['--help'], 0, 'usage: iris certs init'],
  [['certs', 'init', '-h'], 0, 'NAME.key'],
  [['--version'], 0, `iris ${version()}`],
  [[], 2, 'usage: iris certs init'],
  [['certs', 'make'], 2, 'usage: iris certs init'],
  [['certs', 'init', '--force'], 2, "Unknown option '--force'"],
  [['certs', 'init', 'nowhere', '../one'], 1, 'must be a DNS name'],
])('it says what it does: %j', (args, status, says) => {
  const done = run(...args)
  expect(done.status).toBe(status)
  expect(status === 0 ? done.stdout : done.stderr).toContain(says)
  expect(fs.existsSync('nowhere')).toBe(false)
})
