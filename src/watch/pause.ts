import { findView } from '../catalog/db/catalog.ts'
import { ensureDefinition, findDefinitionId } from '../record/definitions/definitions.ts'
import { unknownView } from '../record/definitions/look.ts'
import {
  type QuietWindow,
  readQuiet,
  setPause,
  setQuiet,
  setViewPause,
} from '../record/definitions/pauses.ts'
import { resolveName } from '../run/name.ts'
import type { Database } from '../server/database.ts'
import { displayName } from '../words/names.ts'

const writing = { writes: true }

/** Pauses or resumes a view, in force at once, and perhaps until a moment; returns its name. Only `force` refreshes a paused view. */
export const pauseView = (
  database: Database,
  view: string,
  paused: boolean,
  by: string,
  until: Date | null = null,
): Promise<string> =>
  database.withConnection(async (sql) => {
    const name = await resolveName(sql, view)
    const there = await findView(sql, name)
    const id =
      there === undefined ? await findDefinitionId(sql, name) : (await ensureDefinition(sql, name)).id
    if (id === undefined) throw await unknownView(sql, name)
    await setViewPause(sql, id, paused, by, until)
    return displayName(name)
  }, writing)

/** Pauses or resumes everything scheduled, in force at once. What people request still runs. */
export const pauseAll = (
  database: Database,
  paused: boolean,
  by: string,
  until: Date | null = null,
): Promise<void> => database.withConnection((sql) => setPause(sql, paused, by, until), writing)

/** Lets nobody be told what is wrong within a time, of which there is one; without an end, it is over. Refreshes go on. Returns it. */
export const quiet = (
  database: Database,
  from: Date | null,
  until: Date | null,
  by: string,
): Promise<QuietWindow | null> =>
  database.withConnection(async (sql) => {
    await setQuiet(sql, from, until, by)
    return readQuiet(sql)
  }, writing)
