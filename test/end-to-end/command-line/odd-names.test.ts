// @module-tag deep

import { expect, test } from 'vitest'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

/** Names of views, schemas, columns, indexes and owners that people have, and that file systems or shells read otherwise. */
const odd = [
  'OrderTotals',
  'ordertotals',
  'Odd name',
  'with.dot',
  'say "hi"',
  "it's",
  'übersicht 日本',
  'cafe\u0301',
  'caf\u00e9',
  'a/b\\c:*?',
  'aux',
  '-$(x)=y',
  '2024',
  '$$ 100% %s',
]
const same = `✓ ${odd.length} views: authored, frozen and live are the same`
const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`

test('views with odd names are authored, renamed, removed and brought back', async () => {
  const { project, sql } = await start()
  const views = async () =>
    (await sql`select matviewname as name from pg_matviews order by matviewname collate "C"`).map(
      ({ name }) => name,
    )
  const sorted = (names: string[]) => names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const commands: string[] = []
  for (const name of odd)
    commands.push((await project.succeed('new', quote(name))).split('next: ')[1] as string)
  expect(commands[2]).toBe(`write the query, then npx viewkeeper freeze '"Odd name"' -m "why"\n`)
  expect(commands[5]).toBe(`write the query, then npx viewkeeper freeze '"it'\\''s"' -m "why"\n`)
  const files = project.files('views')
  expect(files).toHaveLength(2 * odd.length)
  expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(files.length)
  await project.succeed(...freeze())
  await project.succeed('migrate', 'up')
  expect(await views()).toEqual(sorted(odd))
  expect(await project.succeed('drift')).toContain(same)
  const left = await project.refused(...freeze('--rename', 'x=y'))
  expect(left).toContain('--rename: public.x was never frozen')
  for (const file of files.filter((each) => each.endsWith('.ts'))) {
    const text = project.read(`views/${file}`)
    project.write(`views/${file}`, text.replace(/ name: (['"])/, ' name: $1new '))
  }
  await project.succeed(...freeze('--rename', ...odd.map((name) => `${quote(name)}=${quote(`new ${name}`)}`)))
  await project.succeed('migrate', 'up')
  expect(await views()).toEqual(sorted(odd.map((name) => `new ${name}`)))
  expect(await project.succeed('drift')).toContain(same)
  for (const file of files) project.remove(`views/${file}`)
  const refusal = await project.refused(...freeze())
  expect(refusal).toContain(
    `Add --remove '"new OrderTotals"', or --rename '"new OrderTotals"=new_name', for each.`,
  )
  await project.succeed(...freeze('--remove', ...odd.map((name) => quote(`new ${name}`))))
  await project.succeed('migrate', 'up')
  expect(await views()).toEqual([])
  await project.succeed('migrate', 'down', String(3 * odd.length), '--yes')
  expect(await views()).toEqual(sorted(odd))
})

test('views with odd names, schemas, columns, indexes and owners are adopted, and made anew from migrations alone', async () => {
  const { project, sql } = await start()
  for (const [at, name] of odd.entries()) {
    const view = `${quote(name)}.${quote(name)}`
    await sql.unsafe(`
      create role ${quote(`${name} ${at}`)};
      create schema ${quote(name)} authorization ${quote(`${name} ${at}`)};
      create materialized view ${view} as select 1 as ${quote(name)};
      create unique index ${quote(`${name} key`)} on ${view} (${quote(name)});
      alter materialized view ${view} owner to ${quote(`${name} ${at}`)};
      grant select on ${view} to ${quote(`${name} ${at}`)}`)
  }
  expect(await project.succeed('adopt', '--all')).toContain(`${odd.length} views adopted`)
  const folders = project.files('views')
  expect(new Set(folders.map((folder) => folder.toLowerCase())).size).toBe(odd.length)
  await project.succeed('migrate', 'up')
  expect(await project.succeed('drift')).toContain(same)
  for (const name of odd) await sql.unsafe(`drop materialized view ${quote(name)}.${quote(name)}`)
  expect(await project.succeed('migrate', 'up', '--repair')).toContain(`${odd.length} views made again`)
  expect(await project.succeed('drift')).toContain(same)
})
