import { expect, test } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { silenceOf } from '../../../src/watch/plan/silence.ts'
import type { CommandTarget } from '../../../src/words/commands.ts'

test('names of roles and views cannot move the cursor of a terminal, and are typed as they are printed', () => {
  const odd = '"red\u001b[31m\u202e\nname"'
  const obstacle = {
    because: `its owner, ${odd}, lacks select on ${odd}`,
    fix: { sql: `grant select on ${odd} to app;`, grants: true, by: [odd] },
  }
  const [refresh, none] = [[obstacle], []]
  const view = {
    view: odd,
    schema: 'a',
    name: 'b',
    owner: odd,
    refresh,
    concurrent: none,
    swap: none,
    migrate: none,
    act: none,
  }
  const lines = findingsLines({
    role: odd,
    views: [view],
    missing: [obstacle.fix],
    replicas: { standbys: [] },
  } as never)
  expect(lines.join('\n')).toContain('U&"red\\001B[31m\\202E\\000Aname"')
  expect(lines.filter((line) => /[\p{Cc}\u202e]/u.test(line))).toEqual([])
})

test('what to type next works on the environment that was looked at', () => {
  const unpause = 'viewkeeper pause public.sales --for 3d'
  const silence = silenceOf(
    {
      unrefreshed: [],
      told: true,
      forgotten: ['public.sales'],
      waitingSince: null,
      lacks: null,
      migrates: null,
      heard: null,
      steps: [],
    },
    null,
  )
  const lines = (typed: CommandTarget) =>
    findingsLines(
      {
        role: 'keeper',
        views: [],
        missing: [{ sql: 'grant select on sales to keeper;', grants: true, by: [] }],
        replicas: { standbys: [], hidden: 0 },
        silence,
      },
      typed,
    ).join('\n')
  const again = 'look again: npx viewkeeper doctor --role keeper'
  for (const typed of [
    null,
    'production',
    { environment: 'production', url: 'http://127.0.0.1:1' },
  ] as const) {
    const named = typed === null ? '' : ' --env production'
    expect(lines(typed)).toMatch(new RegExp(`${again}${named}$`))
    const reached = typeof typed === 'object' && typed !== null ? `${named} --url ${typed.url}` : named
    expect(lines(typed)).toContain(`or say until when: ${unpause}${reached}\n`)
  }
})

test('each view is said to fall into slices of a table, or why it does not', () => {
  const lines = findingsLines({
    role: 'keeper',
    views: [],
    missing: [],
    replicas: { standbys: [], hidden: 0 },
    slices: [
      {
        view: 'app.ages',
        because: 'it calls now(), whose result may change although no table does',
        tables: [],
        noLog: [],
      },
      {
        view: 'app.sales',
        because: null,
        tables: [
          {
            table: 'app.orders',
            slices: [
              { by: 'day', column: 'ordered_on', bySettings: false, isColumn: false, sql: null },
              { by: 'month', column: 'at', bySettings: true, isColumn: true, sql: '%s' },
            ],
            because: null,
          },
          {
            table: 'app.products',
            slices: [],
            because: 'its query aggregates without GROUP BY, over all slices',
          },
          {
            table: 'app.sellers',
            slices: [],
            because: 'none of its columns is computed from one column of app.sellers alone',
            joined: { table: 'app.orders', column: 'id', to: 'seller', because: null },
          },
          {
            table: 'app.shops',
            slices: [{ by: 'town', column: 'town', bySettings: false, isColumn: true, sql: '%s' }],
            because: null,
            joined: { table: 'app.orders', column: 'id', to: 'shop', because: null },
          },
        ],
        noLog: ['month is computed'],
      },
    ],
  })
  expect(lines).toEqual(
    expect.arrayContaining([
      'app.ages does not fall into slices: it calls now(), whose result may change although no table does',
      'app.sales falls into slices of day (app.orders.ordered_on), or of month (app.orders.at; if TimeZone and the like are the same in every refresh)',
      'app.sales does not fall into slices of app.products: its query aggregates without GROUP BY, over all slices',
      'app.sales: a row of app.sellers touches the slices of the app.orders that it joins (app.orders.seller = app.sellers.id), if app.orders.seller has an index',
      'app.sales falls into slices of town (app.shops.town)',
      'app.sales: a row of app.shops touches the slices of the app.orders that it joins (app.orders.shop = app.shops.id), if app.orders.shop has an index',
      '  not by a change log: month is computed',
    ]),
  )
})
