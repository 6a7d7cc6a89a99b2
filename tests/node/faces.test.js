// Faces: what is offered is the same in Python and Node, in CommonJS and ES modules, in the types and the running code.
'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { execFileSync } = require('node:child_process')

const iris = require('../..')
const { closeAll, open } = require('./helpers.js')

const ROOT = path.join(__dirname, '..', '..')
const read = (name) => fs.readFileSync(path.join(ROOT, name), 'utf8')
const camelCase = (word) => word.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

/** Operations that Node writes in another way, or has no use for; each with the reason. */
const ELSEWHERE = {
  spawn_py_handler_bounded: { name: 'spawnBounded', reason: 'it spawns no Python handler here' },
  ref: { name: 'actorRef', reason: 'ref() and unref() are what Node calls staying alive' },
  selective_recv_blocking: { reason: 'the JavaScript thread never blocks: selectiveRecv is a promise' },
  resolve_remote_py: { reason: 'resolveRemote is a promise' },
  ask_blocking: { reason: 'the JavaScript thread never blocks: ask is a promise' },
  set_release_gil_limits: { reason: 'there is no interpreter lock to let go of' },
  set_release_gil_strict: { reason: 'there is no interpreter lock to let go of' },
}

/** What Node has and Python does not; each with the reason. */
const NODE_ALONE = {
  sendWhenRoom: 'the policy block cannot block the JavaScript thread',
  rootSupervisor: 'the supervisor to start children under where none of one\'s own is wanted',
  ref: 'staying alive',
  unref: 'staying alive',
  closed: 'a property',
}

afterEach(closeAll)

function operations() {
  const lines = read('tests/contract_operations.txt').split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

/** The methods and properties of NodeRuntime. */
function members() {
  const names = Object.getOwnPropertyNames(iris.NodeRuntime.prototype)
  return names.filter((name) => name !== 'constructor').sort()
}

test('every operation of the contract is there in camelCase', () => {
  const here = operations().map((word) => (word in ELSEWHERE ? ELSEWHERE[word].name : camelCase(word)))
  const expected = here.filter((name) => name !== undefined).concat(Object.keys(NODE_ALONE))
  expect(members()).toEqual(expected.sort())
})

test('the list of operations is what Python has', () => {
  const stub = read('python/iris/_iris.pyi')
  const runtime = `${stub}\n${read('python/iris/__init__.py')}`
  const known = new Set([...runtime.matchAll(/^ {4}(?:async )?def ([a-z]\w*)/gm)].map((match) => match[1]))
  expect(operations().filter((word) => !known.has(word))).toEqual([])
})

test('the codes of errors are those of the core', () => {
  const kinds = [...read('crates/core/src/error.rs').matchAll(/Self::(\w+) => "(\w+)"/g)].map((match) => match[2])
  expect(kinds.length).toBeGreaterThan(10)
  expect(Object.keys(iris.ErrorCode).sort()).toEqual(kinds.sort())
  for (const [name, code] of Object.entries(iris.ErrorCode)) expect(code).toBe(name)
})

test('the types tell of every method, and of no other', () => {
  const types = read('types/runtime.d.ts')
  const body = types.slice(types.indexOf('class NodeRuntime')).split('\n}\n')[0]
  const told = [...body.matchAll(/^ {2}(?:readonly )?([a-z]\w*)(?:\(|:)/gm)].map((match) => match[1])
  expect([...new Set(told)].filter((name) => name !== 'constructor').sort()).toEqual(members())
})

test('an IrisError is an Error with name and code', () => {
  const rt = open()
  let error
  try {
    rt.register('name', 4711)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(iris.IrisError)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'IrisError', code: 'NoProcess', message: 'no live actor has pid 4711' })
  expect(error.stack).toContain('faces.test.js')
})

test('CommonJS and ES modules open the same room', () => {
  const script = `
    import { createRequire } from 'node:module'
    import * as names from ${JSON.stringify(path.join(ROOT, 'index.mjs'))}
    const required = createRequire(import.meta.url)(${JSON.stringify(path.join(ROOT, 'index.js'))})
    const { default: standard, ...others } = names
    const same = Object.keys(required).every((name) => required[name] === others[name] && standard[name] === others[name])
    console.log(same, Object.keys(required).length === Object.keys(others).length)
  `
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(out).toBe('true true\n')
})

test('the version is that of the package', () => {
  expect(iris.version()).toBe(JSON.parse(read('package.json')).version)
})
