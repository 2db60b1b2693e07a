import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { age } from '../../support/record/past.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

// The lines that docs/freshness-in-sql.md has for a shell, with the server's own psql.

const { database, sql, url } = useDatabase()
const page = readFileSync(new URL('../../../docs/freshness-in-sql.md', import.meta.url), 'utf8')
const [check = '', copy = ''] = [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, code]) => code)
const cwd = mkdtempSync(join(tmpdir(), 'viewkeeper-export-'))

const type = (line: string) =>
  promisify(execFile)('sh', ['-c', line], {
    cwd,
    env: { ...process.env, DATABASE_URL: url, PATH: `${process.env.POSTGRES}:${process.env.PATH}` },
  })

beforeAll(async () => {
  await sql.unsafe(
    'create schema app; create materialized view app.sales as select generate_series(1, 10) as id',
  )
  await refresh({ view: 'app.sales' }, callOn(database))
})

test('a check and an export succeed while the data are fresh, and fail when they are old', async () => {
  await type(check)
  await type(copy)
  expect(readFileSync(join(cwd, 'sales.csv'), 'utf8').trim().split('\n')).toHaveLength(11)
  await type('rm sales.csv')
  await age(sql, '2 days')
  await expect(type(check)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('The data of app.sales are 2 days'),
  })
  await expect(type(copy)).rejects.toMatchObject({ code: 1 })
  expect(existsSync(join(cwd, 'sales.csv'))).toBe(false)
})
