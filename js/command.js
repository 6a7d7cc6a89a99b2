#!/usr/bin/env node
// The command `iris`: makes certificates for development, with the words of the Python one.
'use strict'

const path = require('node:path')
const { parseArgs } = require('node:util')

const { devCerts, version } = require('../index.js')

const HELP = `usage: iris certs init [DIR] [NAME ...]

Make certificates for development: an authority (ca.pem, ca.key), where DIR has none, and for each node of a
name given NAME.pem and NAME.key, which every node of the authority trusts. Keys that are there are never
overwritten; keys are for their owner alone to read. Whoever can read ca.key can be any node.

  DIR         where they are kept (certs)
  NAME        a node's name: a DNS name, such as web-1
  --help, -h  show this
  --version   show the version`

/** Runs the command; the result is the status of the process. */
function main() {
  let given
  try {
    const options = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } }
    given = parseArgs({ options, allowPositionals: true })
  } catch (error) {
    return wrong(error.message)
  }
  const { values, positionals } = given
  if (values.help) return say(HELP)
  if (values.version) return say(`iris ${version()}`)
  const [noun, verb, directory = 'certs', ...names] = positionals
  if (noun !== 'certs' || verb !== 'init') return wrong('the command is certs init')
  try {
    devCerts(directory, names)
  } catch (error) {
    console.error(`iris: ${error.message}`)
    return 1
  }
  const files = ['ca.pem', 'ca.key', ...names.flatMap((name) => [`${name}.pem`, `${name}.key`])]
  return say(files.map((file) => path.join(directory, file)).join('\n'))
}

function say(text) {
  console.log(text)
  return 0
}

/** The status of a command that is not understood, as elsewhere. */
function wrong(why) {
  console.error(`${HELP.split('\n')[0]}\niris: ${why}`)
  return 2
}

process.exitCode = main()
