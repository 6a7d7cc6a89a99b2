// Odd: values that nobody should pass, and some that they may, for the tests that pass anything anywhere.
'use strict'

const fc = require('fast-check')

/** What the values themselves throw: not the library's error. */
class OwnError extends Error {}

function throws() {
  throw new OwnError('of the value itself')
}

function detached() {
  const buffer = new ArrayBuffer(16)
  const view = new Uint8Array(buffer)
  structuredClone(buffer, { transfer: [buffer] })
  return { buffer, view }
}

/** Functions that make a value each, so that one that is changed or detached is changed for one run alone. */
const MAKERS = {
  numbers: [NaN, Infinity, -Infinity, -0, 0, 1, -1, 1.5, 7, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, 2 ** 53, 1e300, 5e-324].map(
    (number) => () => number,
  ),
  texts: ['', 'x', '/', '//', '/a', '/a/b', '/a//b', '/a/', '/../a', 'a/b', '\0', '/a\0b', '\ud800', '/\udfff', 'ü€😀', '__proto__', 'block', 'redirect', 'spill', 'RestartOne', 'one_for_all']
    .map((text) => () => text)
    .concat([() => 'n'.repeat(100_000), () => `/${'deep/'.repeat(2000)}end`]),
  bytes: [
    () => Buffer.from('bytes'),
    () => Buffer.alloc(0),
    () => new Uint16Array([1, 2, 3]),
    () => new BigInt64Array(2),
    () => new DataView(new ArrayBuffer(10), 3, 4),
    () => new ArrayBuffer(5),
    () => new SharedArrayBuffer(8),
    () => new Uint8Array(new SharedArrayBuffer(8)),
    () => new ArrayBuffer(8, { maxByteLength: 64 }),
    () => detached().buffer,
    () => detached().view,
    () => Buffer.alloc(300_000),
  ],
  functions: [
    () => () => {},
    () => async () => {},
    () => (message) => message,
    () => throws,
    () => async () => throws(),
    () => () => new Promise(() => {}),
    () => () => 7,
    () => () => Symbol('odd'),
    () => () => ({ then: throws }),
    () => class Odd {},
    () => function* () {},
    () => Math.max,
    () => new Proxy(() => {}, { apply: throws, get: throws }),
    () => (() => {}).bind(null),
  ],
  objects: [
    () => undefined,
    () => null,
    () => true,
    () => false,
    () => 10n,
    () => Symbol('odd'),
    () => ({}),
    () => [],
    () => [1, 2],
    () => [Buffer.from('a'), 'b'],
    () => new Set(['a']),
    () => Object.create(null),
    () => new Date(NaN),
    () => /x/,
    () => new Error('odd'),
    () => Promise.resolve('x'),
    () => ({ then: (resolve) => resolve('x') }),
    () => new Proxy({}, { get: throws, has: throws, ownKeys: throws }),
    () => ({ valueOf: throws, toString: throws, [Symbol.toPrimitive]: throws }),
    () => ({ [Symbol.iterator]: throws }),
    () => ({ timeout: 0.001 }),
    () => ({ timeout: -1 }),
    () => ({ timeout: 'soon' }),
    () => ({ get timeout() { return throws() } }),
    () => ({ signal: AbortSignal.abort(new OwnError('aborted')) }),
    () => ({ signal: new AbortController().signal }),
    () => ({ signal: {} }),
    () => ({ signal: { aborted: false } }),
    () => ({ kind: 'pull', restart: 'temporary', name: 'child' }),
    () => ({ strategy: 'rest_for_one', intensity: 0, period: 1e-9, backoff: [0, 0] }),
    () => ({ backoff: [5, 1], period: -1 }),
    () => ({ logger: {} }),
  ],
}

/** Any of them; `more` are makers of values of the test's own, such as pids. */
function anything(more = []) {
  const kinds = [...Object.values(MAKERS), ...(more.length > 0 ? [more, more] : [])]
  return fc.oneof(...kinds.map((makers) => fc.constantFrom(...makers)))
}

module.exports = { MAKERS, OwnError, anything }
