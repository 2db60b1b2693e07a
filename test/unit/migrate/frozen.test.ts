import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Definition, definitionDefaults } from '../../../src/catalog/plan/definition.ts'
import {
  type FrozenFile,
  frozenState,
  headerLines,
  parseFrozen,
  renderFrozen,
  viewAfter,
  viewBefore,
} from '../../../src/migrate/plan/frozen.ts'
import { counts } from '../../support/counts.ts'
import { definition, everyField } from '../../support/views/frozen.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
const text = `-- viewkeeper: {
--   "why": "who reads it wants totals",
--   "define": {
--     "schema": "public",
--     "name": "sales",
--     "indexes": [
--       {"name":"sales_key","unique":true,"on":"(\\"id\\")"}
--     ],
--     "comment": "Sales of each order.",
--     "grants": [
--       {"privileges":["select"],"to":"reporting"}
--     ],
--     "retries": 3
--   }
-- }

create materialized view "public"."sales" as
select id, total
  from orders
with no data;

create unique index "sales_key" on "public"."sales" ("id");

comment on materialized view "public"."sales" is 'Sales of each order.';

grant select on "public"."sales" to "reporting";

refresh materialized view "public"."sales";
`

describe('a frozen file', () => {
  test('without a word about something means what it meant when it was written', () => {
    expect(parseFrozen(text)).toStrictEqual({
      why: 'who reads it wants totals',
      change: {
        does: 'define',
        definition: {
          schema: 'public',
          name: 'sales',
          sql: 'select id, total\n  from orders',
          indexes: [{ name: 'sales_key', unique: true, on: '("id")' }],
          comment: 'Sales of each order.',
          grants: [{ privileges: ['select'], to: 'reporting' }],
          owner: null,
          strategy: 'auto',
          schedule: null,
          timeZone: null,
          targetLagSeconds: null,
          suspendAfterFailures: 5,
          settings: {},
          timeoutSeconds: 3600,
          retries: 3,
          retryDelaySeconds: 300,
          maxStalenessSeconds: null,
          minIntervalSeconds: 0,
          inAll: true,
          skipUnchanged: null,
          dependsOn: [],
          checks: {},
          slices: null,
          storage: 'materialized view',
        },
      },
    })
  })

  test('shows the plain view of an incremental table, and its way back drops both', () => {
    const sales = definition('sales', 'select day, count(*) -- of all\n  from orders group by day', {
      storage: 'table',
      owner: 'clerk',
    })
    const up: FrozenFile = { why: 'w', change: { does: 'define', definition: sales } }
    const text = renderFrozen(up)
    expect(parseFrozen(text)).toEqual(up)
    expect(text.slice(text.indexOf('create'))).toBe(`create view "public"."sales_query" as
select day, count(*) -- of all
  from orders group by day;

comment on view "public"."sales_query" is 'Viewkeeper keeps the rows of this query in a table.';

create table "public"."sales" as
select * from "public"."sales_query"
with no data;

alter table "public"."sales" replica identity full;

alter view "public"."sales_query" owner to "clerk";

alter table "public"."sales" owner to "clerk";

insert into "public"."sales" select * from "public"."sales_query";
`)
    expect(parseFrozen(text.replace('sales_query" owner', 'sales" owner'))).toBeNull()
    const view = { schema: 'public', name: 'sales' }
    const changes: FrozenFile['change'][] = [
      { does: 'drop', view, table: true },
      { does: 'rename', view, to: { schema: 'app', name: 'by_day' }, table: true },
    ]
    const texts = changes.map((change) => renderFrozen({ why: 'w', change }))
    expect(texts.map((each) => parseFrozen(each)?.change)).toEqual(changes)
    expect(texts.map((each) => each.split('\n').filter((line) => /^(alter|drop)/.test(line)))).toEqual([
      ['drop table "public"."sales";', 'drop view "public"."sales_query";'],
      [
        'alter table "public"."sales" set schema "app";',
        'alter table "app"."sales" rename to "by_day";',
        'alter view "public"."sales_query" set schema "app";',
        'alter view "app"."sales_query" rename to "by_day_query";',
      ],
    ])
  })

  test('says everything that is not usual, in the order of the fields, whatever the author wrote first', () => {
    const { sql, ...rest } = definition('all', 'select 1', {
      schema: 'app',
      dependsOn: ['app.other'],
      skipUnchanged: false,
      inAll: false,
      minIntervalSeconds: 1,
      maxStalenessSeconds: 2,
      retryDelaySeconds: 3,
      retries: 0,
      timeoutSeconds: 4,
      settings: { work_mem: '64MB', jit: 'off' },
      timeZone: 'Europe/Berlin',
      schedule: '0 6 * * *',
      strategy: 'swap',
    })
    const backwards = Object.fromEntries(Object.entries(rest).reverse()) as typeof rest
    const written = renderFrozen({ why: '', change: { does: 'define', definition: { sql, ...backwards } } })
    expect(written.split('\n').slice(0, 25)).toEqual([
      '-- viewkeeper: {',
      '--   "why": "",',
      '--   "define": {',
      '--     "schema": "app",',
      '--     "name": "all",',
      '--     "strategy": "swap",',
      '--     "schedule": "0 6 * * *",',
      '--     "timeZone": "Europe/Berlin",',
      '--     "settings": {',
      '--       "work_mem": "64MB",',
      '--       "jit": "off"',
      '--     },',
      '--     "timeoutSeconds": 4,',
      '--     "retries": 0,',
      '--     "retryDelaySeconds": 3,',
      '--     "maxStalenessSeconds": 2,',
      '--     "minIntervalSeconds": 1,',
      '--     "inAll": false,',
      '--     "skipUnchanged": false,',
      '--     "dependsOn": [',
      '--       "app.other"',
      '--     ]',
      '--   }',
      '-- }',
      '',
    ])
    expect(headerLines(written)).toBe(26)
  })

  test.each<[string, FrozenFile, string]>([
    [
      'drops',
      { why: 'gone', change: { does: 'drop', view: { schema: 'app', name: 'Sales' } } },
      '-- viewkeeper: {\n--   "why": "gone",\n--   "drop": {\n--     "schema": "app",\n--     "name": "Sales"\n--   }\n-- }\n\n' +
        'drop materialized view "app"."Sales";\n',
    ],
    [
      'lets go',
      { why: 'ours', change: { does: 'release', view: { schema: 'app', name: 'sales' } } },
      '-- viewkeeper: {\n--   "why": "ours",\n--   "release": {\n--     "schema": "app",\n--     "name": "sales"\n--   }\n-- }\n\n',
    ],
    [
      'renames, and moves',
      {
        why: 'new words',
        change: {
          does: 'rename',
          view: { schema: 'app', name: 'sales' },
          to: { schema: 'shop', name: 'turnover' },
        },
      },
      '-- viewkeeper: {\n--   "why": "new words",\n--   "rename": {\n--     "schema": "app",\n--     "name": "sales"\n--   },\n' +
        '--   "to": {\n--     "schema": "shop",\n--     "name": "turnover"\n--   }\n-- }\n\n' +
        'alter materialized view "app"."sales" set schema "shop";\n\n' +
        'alter materialized view "shop"."sales" rename to "turnover";\n',
    ],
    ['is somebody’s own SQL', { why: null, change: { does: 'sql', sql: 'select 1' } }, 'select 1'],
  ])('that %s is written and read', (_, file, written) => {
    expect(renderFrozen(file)).toBe(written)
    expect(parseFrozen(written)).toStrictEqual(file)
  })
})

const awkward = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        '\\',
        '\n',
        '\r',
        '\t',
        '-- }',
        '\n-- }\n\n',
        '*/',
        '/*',
        ';',
        ';\n\n',
        'with no data',
        'with no data;\n\ncreate index',
        '$$',
        '$viewkeeper$',
        'refresh materialized view',
        '日本',
        '😀',
        '\u2028',
        '\uFEFF',
        '%',
        '-- viewkeeper: {',
      ),
      fc.string({ unit: 'binary', maxLength: 6 }).map((some) => some.replaceAll('\0', '')),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))

/** Either value of each field, but any text where a text is written. */
const anyDefinition = fc.record({
  ...Object.fromEntries(
    Object.entries(definitionDefaults).map(([field, usual]) => [
      field,
      fc.constantFrom<unknown>(usual, everyField[field as keyof Definition]),
    ]),
  ),
  schema: awkward,
  name: awkward,
  // What is around a query, and a semicolon after it, is gone before it is one.
  sql: awkward.map((some) => `select ${some} as x`),
  indexes: fc.array(fc.record({ name: awkward, unique: fc.boolean(), on: awkward }), { maxLength: 3 }),
  comment: fc.option(awkward),
  owner: fc.option(awkward),
  grants: fc.array(
    fc.record(
      {
        privileges: fc.array(awkward, { maxLength: 2 }),
        columns: fc.array(awkward, { minLength: 1, maxLength: 2 }),
        to: awkward,
        grantOption: fc.boolean(),
      },
      { requiredKeys: ['privileges', 'to'] },
    ),
    { maxLength: 2 },
  ),
  schedule: fc.option(awkward),
  timeZone: fc.option(awkward),
  settings: fc.dictionary(
    awkward.filter((key) => key !== '__proto__'),
    awkward,
    { maxKeys: 2 },
  ),
  dependsOn: fc.array(awkward, { maxLength: 2 }),
}) as unknown as fc.Arbitrary<Definition>

const anyFile: fc.Arbitrary<FrozenFile> = fc.record({
  why: awkward,
  change: fc.oneof(
    { weight: 4, arbitrary: fc.record({ does: fc.constant('define'), definition: anyDefinition }) },
    fc.record({
      does: fc.constantFrom('drop', 'release'),
      view: fc.record({ schema: awkward, name: awkward }),
    }),
  ) as fc.Arbitrary<FrozenFile['change']>,
})

test("somebody's own SQL may speak of Viewkeeper in its comments", () => {
  for (const sql of [
    '-- viewkeeper: refreshes what reads this\ncreate table a (id integer);\n',
    'select 1 -- viewkeeper',
  ]) {
    expect(parseFrozen(sql)).toEqual({ why: null, change: { does: 'sql', sql } })
  }
})

describe('whatever strings hold', () => {
  test('what is written is read back as it was', () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        expect(parseFrozen(renderFrozen(file))).toEqual(file)
      }),
      { numRuns: counts.frozenDefinitions },
    )
  })

  test('the header is comments, one line each, and nothing of it reaches the server', () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        const written = renderFrozen(file)
        const lines = written.split('\n').slice(0, headerLines(written))
        expect(lines.filter((line) => line === '')).toHaveLength(1)
        for (const line of lines.filter(Boolean)) expect(line).toMatch(/^-- [^\r]*$/)
      }),
    )
  })

  test('a file with other SQL under the same header is not taken for it, unless only the query is another', () => {
    fc.assert(
      fc.property(anyDefinition, anyDefinition, (before, other) => {
        const file = (each: Definition) =>
          renderFrozen({ why: '', change: { does: 'define', definition: each } })
        const [header, body] = [file(before), file(other)].map((each) => ({
          header: each.split('\n').slice(0, headerLines(each)).join('\n'),
          sql: each.split('\n').slice(headerLines(each)).join('\n'),
        }))
        const mixed = `${header?.header}\n${body?.sql}`
        const read = parseFrozen(mixed)
        if (read?.change.does === 'define') {
          expect({ ...read.change.definition, sql: before.sql }).toEqual(before)
          expect(renderFrozen(read)).toBe(mixed)
        } else expect(read).toBeNull()
      }),
    )
  })
})

describe('an edited file', () => {
  const edit = (from: string, to: string) => {
    expect(text).toContain(from)
    return parseFrozen(text.replace(from, () => to))
  }

  test('is read as another definition where only the query is another', () => {
    const change = edit('  from orders', '  from orders where total > 0')?.change
    expect(change).toMatchObject({ definition: { sql: 'select id, total\n  from orders where total > 0' } })
  })

  test.each([
    ['a comment in the SQL alone', "is 'Sales of each order.'", "is 'Sales.'"],
    ['a comment in the header alone', '"Sales of each order."', '"Sales."'],
    ['an index in the SQL alone', 'on "public"."sales" ("id")', 'on "public"."sales" ("id", "total")'],
    ['an index in the header alone', '"unique":true', '"unique":false'],
    ['a grant in the SQL alone', 'grant select on', 'grant all on'],
    ['the name in the SQL alone', 'view "public"."sales" as', 'view "public"."turnover" as'],
    ['the name in the header alone', '"name": "sales"', '"name": "turnover"'],
    ['a statement more', 'grant select', 'drop table orders;\n\ngrant select'],
    [
      'a statement less',
      '\ncomment on materialized view "public"."sales" is \'Sales of each order.\';\n',
      '',
    ],
    ['something after the end', 'refresh materialized view "public"."sales";\n', 'select 1;\n'],
    [
      'no line end',
      'refresh materialized view "public"."sales";\n',
      'refresh materialized view "public"."sales";',
    ],
    ['white space in the SQL', 'with no data;', 'with  no data;'],
    ['white space in the header', '"retries": 3', '"retries":  3'],
    ['a default spelled out', '"retries": 3', '"retries": 3,\n--     "retryDelaySeconds": 300'],
    ['a field that there is not', '"retries": 3', '"retries": 3,\n--     "retires": 3'],
    ['JSON that is none', '"retries": 3', '"retries": 3,'],
    ['a header without an end', '-- }\n\n', '\n'],
    ['no reason', '--   "why": "who reads it wants totals",\n', ''],
    ['no change', '"define"', '"defined"'],
    ['no schema', '--     "schema": "public",\n', ''],
    ['no name', '--     "name": "sales",\n', ''],
    ['no privileges', '"privileges":["select"],', ''],
    ['indexes that are no list', '"indexes": [', '"indexes": {'],
    ['indexes that are a number', ': [\n--       {"name"', ': 5,\n--     "none": [\n--       {"name"'],
    ['something before the header', '-- viewkeeper: {', '\n-- viewkeeper: {'],
    ['a byte order mark', '-- viewkeeper: {', '\uFEFF-- viewkeeper: {'],
    ['the marks of a merge', '-- viewkeeper: {', '<<<<<<< HEAD\n-- viewkeeper: {'],
  ])('with %s is refused', (_, from, to) => {
    expect(edit(from, to)).toBeNull()
  })

  test.each(['drop', 'release', 'rename'])('that is to %s something without a name is refused', (does) => {
    for (const named of ['"sales"', '{}', '{"schema":"public"}', 'null']) {
      expect(parseFrozen(`-- viewkeeper: {\n--   "why": "",\n--   "${does}": ${named}\n-- }\n\n`)).toBeNull()
    }
  })
})

describe('a query that ends in a comment', () => {
  test.each([
    'select 1 -- the end',
    'select 1 -- the end;',
    'select 1 -- ends so ;',
    'select 1 -- ;-;;',
    'select 1 /* ; */',
  ])('%j can be frozen', (sql) => {
    const written = renderFrozen({
      why: '',
      change: { does: 'define', definition: definition('sales', sql) },
    })
    expect(parseFrozen(written)?.change).toMatchObject({
      definition: { sql: expect.stringMatching(/^select 1 (--|\/\*)/) },
    })
  })
})

describe('the state that migrations lead to', () => {
  const define = (each: Definition) => ({
    up: { why: '', change: { does: 'define' as const, definition: each } },
  })
  const public_ = (name: string) => ({ schema: 'public', name })
  const [a, b] = [definition('a', 'select 1'), definition('b', 'select 2')]
  const names = (state: Map<string, Definition>) => [...state.values()].map(({ name }) => name)

  test('has each view as it was defined last', () => {
    const later = { ...a, comment: 'later' }
    expect([...frozenState([define(a), define(b), define(later)]).values()]).toEqual([later, b])
  })

  test('has a renamed view under its new name only, and with it all that was said of it', () => {
    const renamed = {
      up: {
        why: '',
        change: { does: 'rename' as const, view: public_('a'), to: { schema: 'app', name: 'c' } },
      },
    }
    expect([...frozenState([define(a), renamed]).values()]).toEqual([{ ...a, schema: 'app', name: 'c' }])
  })

  test.each(['drop', 'release'] as const)('lacks what %s took out, until it is defined again', (does) => {
    const out = { up: { why: '', change: { does, view: public_('a') } } }
    expect(names(frozenState([define(a), define(b), out]))).toEqual(['b'])
    expect(names(frozenState([define(a), define(b), out, define(a)]))).toEqual(['b', 'a'])
  })

  test("is not changed by somebody's own SQL", () => {
    const own = { up: { why: null, change: { does: 'sql' as const, sql: 'drop materialized view a' } } }
    expect(names(frozenState([define(a), own]))).toEqual(['a'])
  })
})

test('a change says what its view is called before and after', () => {
  const [view, to] = [
    { schema: 'public', name: 'sales' },
    { schema: 'app', name: 'totals' },
  ]
  expect(viewBefore({ does: 'rename', view, to })).toEqual(view)
  expect(viewAfter({ does: 'rename', view, to })).toEqual(to)
  for (const change of [
    { does: 'define', definition: definition('sales', 'select 1') },
    { does: 'release', view },
  ] as const) {
    expect(viewBefore(change)).toEqual(view)
    expect(viewAfter(change)).toEqual(view)
  }
})

describe('a file of views that change together', () => {
  const definitions = ['below', 'above'].map((name) =>
    definition(name, `select '-- viewkeeper: {' as "${name}";\n\n-- viewkeeper: {`),
  )
  const written = renderFrozen({ why: 'both', change: { does: 'together', definitions } })

  test('has the header and the SQL of each, and is read as it was written', () => {
    const each = definitions.map((one) =>
      renderFrozen({ why: 'both', change: { does: 'define', definition: one } }),
    )
    expect(written).toBe(each.join('\n'))
    expect(parseFrozen(written)).toEqual({ why: 'both', change: { does: 'together', definitions } })
    expect(frozenState([{ up: parseFrozen(written) as FrozenFile }])).toEqual(
      new Map(definitions.map((one) => [`"public"."${one.name}"`, one])),
    )
  })

  test('is not read if one of its parts was edited', () => {
    expect(parseFrozen(written.replace('refresh materialized view "public"."above"', 'select 1'))).toBeNull()
    expect(parseFrozen(`${written}\nselect 1;\n`)).toBeNull()
    expect(parseFrozen(written.replace('"why": "both"', '"why": "another"'))).toBeNull()
  })
})
