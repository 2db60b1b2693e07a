import type { QualifiedName } from '../../sql/names.ts'
import type { FrozenFile } from './frozen.ts'

/** A migration that is not written yet. */
export interface NewMigration {
  /** The words of its file's name. */
  words: string
  view: QualifiedName
  /** The fields that changed; empty for a view that is new. */
  changed: string[]
  /** The other views that change together with this one. */
  others?: { view: QualifiedName; changed: string[] }[]
  up: FrozenFile
  down: FrozenFile
}
