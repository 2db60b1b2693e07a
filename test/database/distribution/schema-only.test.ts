import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { administrator, callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const { sql, url } = useDatabase()
const run = promisify(execFile)
const program = (name: string) => join(process.env.POSTGRES as string, name)

test('a schema that was restored without its rows is refused with both ways on, and each of them works', async () => {
  await sql`create materialized view kept as select 1 as id`
  const dump = async (to: string, ...options: string[]) => {
    const path = join(tmpdir(), `${randomUUID()}.sql`)
    await run(program('pg_dump'), [...options, '-f', path, url])
    await run(program('psql'), ['-q', '-v', 'ON_ERROR_STOP=1', '-f', path, to])
  }
  const restored = async () => {
    const name = `restored_${randomUUID().slice(0, 8)}`
    await sql.unsafe(`create database ${name} template template0`)
    const target = new URL(url)
    target.pathname = `/${name}`
    await dump(target.href, '--schema-only')
    const there = administrator(target.href)
    return { name, there, href: target.href, database: connectTo(fromUrl(target.href)) }
  }

  const anew = await restored()
  const { message } = await refusalOf(migrate(anew.database, schemaFolder))
  expect(message).toContain('there without its rows, as a dump of schemas alone restores it')
  await anew.there.unsafe(/drop schema .*$/.exec(message)![0])
  expect((await migrate(anew.database, schemaFolder)).applied.length).toBeGreaterThan(0)
  expect(await refresh({ view: 'kept' }, callOn(anew.database))).toMatchObject({ status: 'updated' })

  const whole = await restored()
  const [, options] = /too \(pg_dump (.+?)\)/.exec(message)!
  await dump(whole.href, ...options!.split(' '))
  expect(await migrate(whole.database, schemaFolder)).toEqual({ applied: [], ahead: [] })
  for (const { name } of [anew, whole]) await sql.unsafe(`drop database ${name} with (force)`)
})
