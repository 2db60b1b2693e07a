import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, startGateway } from '../../../serve/http/gateway.ts'
import { openapi } from '../../../src/api/openapi.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { servedOn } from '../../support/api/served.ts'
import { quietFunctionsOn } from '../../support/aws/lambda.ts'
import { eachCase } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'

// What stands in a field is data: it is refused in words that name the field, or looked for and not found.

const { url, sql } = useDatabase()
quietFunctionsOn(url)

let gateway: Gateway

beforeAll(async () => {
  await sql.unsafe('create materialized view sales as select 1 as id')
  const served = servedOn(connectTo(fromUrl(url)))
  gateway = await startGateway({ port: 0, served })
})

afterAll(() => gateway?.close())

interface Field {
  route: string
  method: string
  path: string
  name: string
  in: 'path' | 'query' | 'header' | 'body'
}

interface Operation {
  parameters?: { name: string; in: 'path' | 'query' | 'header' }[]
  requestBody?: { content: { 'application/json': { schema: { $ref: string } } } }
}

const described = (await openapi()) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties: object }> }
}

/** Every field of every route, as the OpenAPI file has them. */
const fields: Field[] = Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { parameters = [], requestBody }]) => {
    const at = { route: `${method.toUpperCase()} ${path}`, method: method.toUpperCase(), path }
    return [
      ...parameters.map((parameter) => ({ ...at, name: parameter.name, in: parameter.in })),
      ...bodyFields(requestBody).map((name) => ({ ...at, name, in: 'body' as const })),
    ]
  }),
)

function bodyFields(requestBody: Operation['requestBody']): string[] {
  if (requestBody === undefined) return []
  const name = requestBody.content['application/json'].schema.$ref.split('/').at(-1)!
  return Object.keys(described.components.schemas[name]!.properties)
}

const texts = [
  "x'); drop materialized view public.sales; --",
  'sales"; drop materialized view public.sales; --',
  'sales; drop materialized view public.sales',
  "sales' or '1' = '1",
  '$viewkeeper$; drop materialized view public.sales; $viewkeeper$',
  '%s %n \\ #{7*7} {{7*7}}',
  '<script>alert(1)</script><img src=x onerror=alert(1)>',
  '../../../../etc/passwd',
  '__proto__',
  'constructor',
  '-1',
  '1e2',
  '0x1f',
  '99999999999999999999',
  'x'.repeat(3000),
]
/** What no header can hold. */
const controls = [
  'a\0b',
  'a\r\nSet-Cookie: c=1\r\n\r\nb',
  '\u001b[2J\u0007',
  '\u202esales',
  '\ufeffsales',
  '\u{1f4a9}'.repeat(20),
]
/** What only JSON can hold. */
const values = [
  '\ud800',
  null,
  0.5,
  -1,
  1e308,
  [],
  [[['sales']]],
  {},
  JSON.parse('{"__proto__":1,"constructor":{}}'),
]

const valuesOf = (field: Field): unknown[] =>
  field.in === 'header'
    ? texts
    : field.in === 'body'
      ? [...texts, ...controls, ...values]
      : [...texts, ...controls]

/** The request with this value in the field, and what the route needs in the others. */
function requestWith(field: Field, value: unknown): [path: string, init: RequestInit] {
  // Beside a header there is no view: a request without any other fault would drop or refresh it.
  const places: Record<string, string> = { view: field.in === 'header' ? 'nowhere' : 'sales', id: '1' }
  if (field.in === 'path') places[field.name] = String(value)
  const path = field.path.replace(/\{(\w+)\}/, (_, name) => encodeURIComponent(places[name]!))
  const query = field.in === 'query' ? `?${new URLSearchParams({ [field.name]: String(value) })}` : ''
  const body = field.in === 'body' ? JSON.stringify({ [field.name]: value }) : undefined
  const headers = {
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(field.in === 'header' && { [field.name]: String(value) }),
  }
  return [`${path}${query}`, { method: field.method, headers, ...(body !== undefined && { body }) }]
}

/** Sends the value in the field. The answer is no failure, has the headers of every answer, and names the field if it refuses. */
async function expectData(field: Field, value: unknown): Promise<void> {
  const [path, init] = requestWith(field, value)
  const response = await fetch(`${gateway.url}${path}`, init)
  const text = await response.text()
  const said = { value, status: response.status, text }
  const { headers } = response
  expect(headers.get('content-type')).toMatch(/^application\/(problem\+)?json$/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('set-cookie')).toBeNull()
  const answer = JSON.parse(text)
  const isMeant = response.status < 500 || headers.has('retry-after')
  const isNamed = response.status !== 400 || answer.field.startsWith(field.name)
  expect({ ...said, isMeant, isNamed }).toMatchObject({ isMeant: true, isNamed: true })
}

/** The views and the tables. */
const state = async () => {
  const [views] = await sql`
    select array_agg(relname::text order by relname) as views from pg_class where relkind in ('m', 'r') and relnamespace = 'public'::regnamespace`
  const [tables] = await sql`
    select count(*)::int as tables from pg_class where relnamespace = 'viewkeeper'::regnamespace and relkind = 'r'`
  return { ...views, ...tables }
}

const batches = async () => (await sql`select from viewkeeper.batches`).length

describe('whatever stands in it, the field is refused by its name, or its text is looked for:', () => {
  eachCase(
    fields.map((field) => [`${field.route}, ${field.in} ${field.name}`, field] as const),
    { quick: 4 },
  )('%s', async (_, field) => {
    const before = await state()
    const left = [...valuesOf(field)]
    expect(left).not.toEqual([])
    // Reads and cancels share four connections.
    const ask = async () => {
      for (let value = left.pop(); value !== undefined; value = left.pop()) await expectData(field, value)
    }
    await Promise.all(Array.from({ length: 4 }, ask))
    expect(await state()).toEqual(before)
  })
})

describe('a body is refused, or an object of known fields, if it is', () => {
  const deep = 200_000
  eachCase<[string, string | Buffer]>(
    [
      ['nested deeply', '['.repeat(deep) + ']'.repeat(deep)],
      ['nested deeply in a field', `{"views":${'['.repeat(deep)}${']'.repeat(deep)}}`],
      ['a deep object', `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`],
      ['a list', '[]'],
      ['a text', '"sales"'],
      ['null', 'null'],
      ['half of an object', '{"all":'],
      ['two objects', '{}{}'],
      ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
      [
        'a name that is no UTF-8',
        Buffer.concat([Buffer.from('{"views":["'), Buffer.from([0xc3, 0x28]), Buffer.from('"]}')]),
      ],
      ['UTF-16', Buffer.from('{"all":true}', 'utf16le')],
      ['the prototype', '{"__proto__":{"all":true}}'],
      ["the prototype's constructor", '{"constructor":{"prototype":{"all":true}}}'],
      ['a number that is none', '{"retries":NaN}'],
      ['a large number', '{"retries":1e400}'],
    ],
    { quick: 2 },
  )('%s', async (_, body) => {
    const before = await batches()
    for (const type of [
      'application/json',
      'application/x-www-form-urlencoded',
      'text/plain; charset=utf-16',
    ]) {
      const response = await fetch(`${gateway.url}/batches`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: new Uint8Array(Buffer.from(body)),
      })
      expect({ status: response.status, ...((await response.json()) as object) }).toMatchObject({
        status: 400,
        code: 'InvalidRequest',
        detail: expect.toSatisfy((detail) => detail.length < 1000),
      })
    }
    expect(({} as { all?: boolean }).all).toBeUndefined()
    expect(await batches()).toBe(before)
  })
})

test.each(['__proto__', 'constructor', 'toString', "x'; drop table t; --", '<b>', '\u0000'])(
  'a parameter called %j is refused by its name',
  async (name) => {
    for (const path of ['/views', '/runs', '/batches', '/actions', '/days', '/view-metrics']) {
      const response = await fetch(`${gateway.url}${path}?${new URLSearchParams({ [name]: '1' })}`)
      expect(await response.json()).toMatchObject({ status: 400, code: 'InvalidRequest', field: name })
    }
  },
)
