// SystemMessage: a notice of the runtime, as pull and observed actors get it.
'use strict'

class SystemMessage {
  constructor(notice) {
    this.typeName = notice.typeName
    this.fromPid = notice.fromPid ?? null
    this.targetPid = notice.targetPid ?? null
    this.reason = notice.reason ?? null
    this.metadata = metadataOf(notice)
  }
}

function metadataOf({ failure, monitor, data, node }) {
  if ([failure, monitor, data, node].every((part) => part === undefined)) return null
  const metadata = {}
  if (failure !== undefined) [metadata.type, metadata.message, metadata.traceback] = failure
  if (monitor !== undefined) metadata.monitor = monitor
  if (data !== undefined) metadata.data = data
  if (node !== undefined) {
    const [name, address, why] = node
    Object.assign(metadata, { node: name, address }, why === '' ? {} : { message: why })
  }
  return metadata
}

module.exports = { SystemMessage }
