import type { ViewName } from '../names.ts'

/** The names under which the twin of a live view is built. The key makes the names unique; nobody else sees them. */
export interface AsideNames {
  view: ViewName
  /** The name of the old view during the cut-over. */
  old: ViewName
  index(at: number): string
  statistics(at: number): string
  /** The name of an old statistics object for a moment. */
  oldStatistics(at: number): string
}

export const asideNames = (key: string, schema: string): AsideNames => ({
  view: { schema, name: `viewkeeper_${key}` },
  old: { schema, name: `viewkeeper_${key}_old` },
  index: (at) => `viewkeeper_${key}_i${at}`,
  statistics: (at) => `viewkeeper_${key}_s${at}`,
  oldStatistics: (at) => `viewkeeper_${key}_s${at}_old`,
})

/** The names of a view and its indexes while they are created. */
export interface CreateNames {
  view: string
  index(at: number): string
}

/** Names for a view that has no OID yet: not its own name, and short enough that the server keeps all of it. */
export const temporaryNames = ({ name }: ViewName): CreateNames => {
  const base = `viewkeeper_new_${fnv1a(name)}`
  return { view: base, index: (at) => `${base}_i${at}` }
}

/** A message of the server in which `view` stands for every name made here. */
export const withoutAsideNames = (message: string, view: string): string =>
  message.replace(/"?\bviewkeeper_(new_[0-9a-f]{8}|\d+)(_[is]\d+)?(_old)?\b"?/g, () => view)

/** 32 bits of FNV-1a, in hex: only to tell apart views that are created at the same time. */
function fnv1a(text: string): string {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0
  return value.toString(16).padStart(8, '0')
}
