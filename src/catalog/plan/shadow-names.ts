import type { QualifiedName } from '../../words/names.ts'

/** The names under which the shadow of a live view is built. The key makes the names unique; nobody else sees them. */
export interface ShadowNames {
  view: QualifiedName
  /** The name of the old view during the exchange. */
  old: QualifiedName
  index(at: number): string
  statistics(at: number): string
  /** The name of an old statistics object for a moment. */
  oldStatistics(at: number): string
}

export const namesBeside = (key: string, schema: string): ShadowNames => ({
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

/** A message of the server in which `view` stands for every name made here. */
export const withoutShadowNames = (message: string, view: string): string =>
  message.replace(/"?\bviewkeeper_\d+(_[is]\d+)?(_old)?\b"?/g, () => view)

/** Schemas of shadows that a batch builds, whose keys are as `batchKey` writes them. */
export const batchPlaces = '^viewkeeper_b[0-9]+_[0-9]+_[0-9]+(_old)?$'
