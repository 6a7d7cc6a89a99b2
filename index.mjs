// The ES module door of iris-actors: the very objects of index.js.
import iris from './index.js'

export const { ActorRef, ErrorCode, IrisError, Mailbox, NodeRuntime, SystemMessage, allocateBuffer, devCerts, version } =
  iris
export default iris
