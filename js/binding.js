// Finds the native addon: the one that IRIS_NATIVE_PATH names, or the local build, or the package of this platform.
'use strict'

const path = require('node:path')

/** `gnu`, `musl`, `msvc` or nothing: the part of the platform's name that says which C library it has. */
function libc() {
  if (process.platform === 'win32') return 'msvc'
  if (process.platform !== 'linux') return ''
  const header = process.report?.getReport?.()?.header
  return header && !header.glibcVersionRuntime ? 'musl' : 'gnu'
}

function load() {
  const wanted = process.env.IRIS_NATIVE_PATH
  if (!wanted) return find()
  try {
    return require(path.resolve(wanted))
  } catch (error) {
    throw new Error(`IRIS_NATIVE_PATH names no native addon of iris-actors: ${error.message}`, { cause: error })
  }
}

function find() {
  const platform = [process.platform, process.arch, libc()].filter(Boolean).join('-')
  const root = path.join(__dirname, '..')
  const candidates = [
    path.join(root, 'native', `iris.${platform}.node`),
    path.join(root, `iris.${platform}.node`),
    `iris-actors-${platform}`,
  ]
  const failures = []
  for (const candidate of candidates) {
    try {
      return require(candidate)
    } catch (error) {
      failures.push(`${candidate}: ${error.message.split('\n')[0]}`)
    }
  }
  throw new Error(
    `iris-actors has no native addon for ${platform}: install the optional package iris-actors-${platform} ` +
      `or build it with "npm run build"\n${failures.join('\n')}`,
  )
}

module.exports = load()
