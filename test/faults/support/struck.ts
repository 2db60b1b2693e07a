import type { Database } from '../../../src/server/database.ts'
import type { Phase, Scene, WayName } from './ways.ts'
import type { World } from './world.ts'

/** One fault in one phase of one way; `throughout`: in no phase. */
export interface Cell {
  fault: string
  way: WayName
  phase: Phase | 'throughout'
}

/** What a fault may act on. */
export interface Struck {
  world: World
  scene: Scene
  wayName: WayName
  /** The server process that stands in the phase. */
  pid: number
  client: Client
  /** What the client gets when it asks for its password. */
  credentials: Record<'now' | 'fresh', () => Promise<string>>
  database: Database
  call: { idempotencyKey: string }
  /** Goes the way once more with the same key. */
  again(): Promise<string>
  /** What keeps the way from its lock. */
  lock: string
  kept: { changed: boolean }
  /** Starts another copy of serve, which says so. */
  another(says: RegExp): Promise<unknown>
  /** Lets a standby take over. */
  failOver(): Promise<void>
}

export interface Client {
  /** The status or class that it was told; if it was killed, the signal. */
  told: Promise<string>
  signal(signal: NodeJS.Signals): void
}
