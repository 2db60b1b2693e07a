import { describe, expect, test } from 'vitest'
import { deep } from '../support/deep.ts'
import { oneRoleDatabase, useRds } from '../support/servers/rds.ts'
import { major } from '../support/servers/test-server.ts'
import { Project } from './support/project.ts'

const fresh = useRds()
const options = major < 16 ? '' : ' with inherit true, set true'
const granter = major < 16 ? 'a role with createrole' : 'master'

describe('viewkeeper doctor and create-role', () => {
  test(
    'tell about a database in which one role owns everything, from nothing to the first clean bill',
    deep,
    async () => {
      const rds = await fresh()
      await oneRoleDatabase(rds)
      const project = new Project(rds.url)

      const before = await project.run(['doctor', 'shop.days', '--role', 'pg_monitor'])
      expect(before).toMatchObject({ code: 1, err: '' })
      expect(before.out).toBe(`  What pg_monitor may do:

  view        owner       refresh   concurrent   swap   migrate
  shop.days   app_owner   ✗         ✗            ✗      ✗

  shop.days
    refresh, concurrent, swap, migrate: pg_monitor may not act as its owner, app_owner
    concurrent: it has no unique index

  ${granter} or a superuser has to run:
    grant app_owner to pg_monitor${options};

  1 right is missing. When the SQL above has run, look again: npx viewkeeper doctor --role pg_monitor
`)

      // It works on DATABASE_URL without a word, where other commands work on another environment.
      const elsewhere = await project.run(['doctor', '--role', 'pg_monitor'], {
        env: { VIEWKEEPER_ENV: 'production' },
      })
      expect(elsewhere.out).toMatch(/look again: npx viewkeeper doctor --role pg_monitor --env local\n$/)

      const made = await project.run(['create-role', '--login', 'keeper_app'])
      expect(made.err).toMatch(
        /^ {2}keeper_app has all rights of app_owner: .*\n\n {2}✓ create role viewkeeper nologin\n/,
      )
      expect(made.err).toContain(`✓ grant app_owner to viewkeeper${options}\n`)
      expect(made.err).toMatch(/\n {2}2 views: no right is missing\n$/)
      const { username, password } = JSON.parse(made.out)
      expect({ code: made.code, username }).toEqual({ code: 0, username: 'keeper_app' })
      expect(made.err).not.toContain(password)

      const again = await project.run(['create-role', '--login', 'keeper_app'])
      expect(again).toMatchObject({ code: 0, out: '' })
      expect(again.err).toMatch(
        /nothing had to be changed\n.*keeper_app keeps its password; --rotate gives it a new one\n/,
      )
      const rotated = await project.run([
        'create-role',
        '--login',
        'keeper_app',
        '--rotate',
        '--connection-limit',
        '40',
      ])
      expect(JSON.parse(rotated.out).password).not.toBe(password)
      expect(rotated.err).toContain('✓ alter role keeper_app connection limit 40\n')
      expect(rotated.err).toContain("✓ alter role keeper_app login password '...'\n")

      const { url } = rds.as('keeper_app', JSON.parse(rotated.out).password)
      const after = await project.run(['doctor', '--json'], { url })
      expect(after).toMatchObject({ code: 0, err: '' })
      expect(JSON.parse(after.out)).toMatchObject({ role: 'keeper_app', missing: [] })

      // Slices are proved by the catalog alone, so nothing need be installed.
      const slices = async () => {
        const { out } = await project.run(['doctor', '--slices', '--json'], { url })
        return JSON.parse(out).slices
      }
      const proved = await slices()
      expect((await project.run(['doctor', '--slices'], { url })).out).toContain(
        '  shop.days falls into slices of id (shop.orders.id)\n  shop.sales falls into slices of customer (shop.orders.customer)\n',
      )
      expect((await project.run(['migrate', 'up'], { url })).code).toBe(0)
      expect(await slices()).toEqual(proved)
    },
  )

  test('make a login without roles that only a superuser may grant here, and print the grants', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.sql.unsafe('revoke pg_signal_backend, pg_read_all_stats from master')
    const project = new Project(rds.url)
    const made = await project.run(['create-role'])
    expect(made.code, made.err).toBe(0)
    for (const role of ['pg_signal_backend', 'pg_read_all_stats'])
      expect(made.err).toMatch(new RegExp(`grant ${role} to viewkeeper${options}`))
  })

  test('name a role or a view that is not there', async () => {
    const rds = await fresh()
    const project = new Project(rds.url)
    expect(await project.refused('doctor', '--role', 'nobody')).toBe('This server has no role "nobody".')
    expect(await project.refused('doctor', 'nothing')).toContain('public.nothing')
  })
})
