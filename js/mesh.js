// Mesh: actors of other nodes, found by address and name.
'use strict'

const { types } = require('node:util')

const { PROXY, count, milliseconds, optionalText, optionsOf, pidOf, show, textOf, timeoutOf } = require('./arguments.js')
const { Native } = require('./binding.js')
const { ErrorCode, IrisError, invalid } = require('./errors.js')
const { core } = require('./key.js')

function nodeOptions(value) {
  const { name, timeout, heartbeatMs, payloadMax, window, certificates, allow, insecure, v1Hosts } = optionsOf(value)
  if (insecure !== undefined && typeof insecure !== 'boolean') {
    throw invalid(`insecure must be true or false, not ${show(insecure)}`)
  }
  return {
    name: optionalText(name, 'name'),
    timeoutMs: timeoutOf(timeout),
    heartbeatMs: heartbeatMs === undefined ? undefined : milliseconds(heartbeatMs, 'heartbeatMs'),
    payloadMax: payloadMax === undefined ? undefined : count(payloadMax, 'payloadMax'),
    window: window === undefined ? undefined : count(window, 'window'),
    certificates: optionalText(certificates, 'certificates'),
    allow: allow === undefined ? undefined : rulesOf(allow),
    insecure,
    v1Hosts: v1Hosts === undefined ? undefined : hostsOf(v1Hosts),
  }
}

function hostsOf(v1Hosts) {
  if (!Array.isArray(v1Hosts)) throw invalid(`v1Hosts must be an array, not ${show(v1Hosts)}`)
  return v1Hosts.map((host) => textOf(host, 'a host'))
}

/** The rules in pairs of a peer's and a name's pattern. */
function rulesOf(allow) {
  const ofPeer = ([key, names]) => {
    const peer = textOf(key, 'a peer')
    if (!Array.isArray(names)) throw invalid(`the names that ${show(peer)} may reach must be an array, not ${show(names)}`)
    return names.flatMap((name) => [peer, textOf(name, 'a name')])
  }
  return Object.entries(optionsOf(allow, 'allow')).flatMap(ofPeer)
}

function devCerts(directory, names) {
  if (!Array.isArray(names)) throw invalid(`names must be an array, not ${show(names)}`)
  const texts = names.map((name) => textOf(name, 'a name'))
  const failure = Native.devCerts(textOf(directory, 'directory'), texts)
  if (failure === '') return
  const [code, message] = failure.split('\0')
  throw new IrisError(code, message)
}

function bytesOf(data) {
  if (typeof data === 'string') return Buffer.from(textOf(data, 'data'))
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (types.isAnyArrayBuffer(data)) return new Uint8Array(data)
  throw invalid(`data must be a Buffer, a view, an ArrayBuffer or a string, not ${show(data)}`)
}

/** A pid as the native side writes it: eight bytes, or none for nobody. */
function pidIn(bytes) {
  return bytes.length === 0 ? null : Number(bytes.readBigUInt64BE())
}

const mesh = {
  listen(address, options) {
    this[core].checkOpen()
    return this[core].native.listen(textOf(address, 'address'), nodeOptions(options))
  },

  startMesh(options) {
    this[core].checkOpen()
    this[core].native.startMesh(nodeOptions(options))
  },

  async resolveRemote(address, name) {
    const { asks, native } = this[core]
    const [at, wanted] = [textOf(address, 'address'), textOf(name, 'name')]
    try {
      return pidIn(await asks.call((number) => native.resolveRemote(at, wanted, number)))
    } catch (error) {
      if (error.code === ErrorCode.NodeDown) return null
      throw error
    }
  },

  sendRemote(address, pid, data) {
    this[core].checkOpen()
    const at = textOf(address, 'address')
    if (pidOf(pid) >= PROXY) return this.send(pid, data)
    return this[core].native.sendRemote(at, pid, bytesOf(data))
  },

  async monitorRemote(address, pid) {
    const { asks, native } = this[core]
    const [at, target] = [textOf(address, 'address'), pidOf(pid)]
    return pidIn(await asks.call((number) => native.monitorRemote(at, target, number)))
  },

  async isNodeUp(address) {
    const { asks, native } = this[core]
    const at = textOf(address, 'address')
    const bytes = await asks.call((number) => native.isNodeUp(at, number))
    return bytes.length > 0
  },

  joinMesh(addresses) {
    this[core].checkOpen()
    if (!Array.isArray(addresses)) throw invalid(`addresses must be an array, not ${show(addresses)}`)
    this[core].native.joinMesh(addresses.map((address) => textOf(address, 'an address')))
  },

  monitorNodes(pid) {
    this[core].checkOpen()
    this[core].native.monitorNodes(pidOf(pid))
  },

  demonitorNodes(pid) {
    this[core].checkOpen()
    return this[core].native.demonitorNodes(pidOf(pid))
  },

  meshInfo() {
    return this[core].native.meshInfo()
  },
}

module.exports = { devCerts, mesh }
