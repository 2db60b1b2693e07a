import { expect, test } from 'vitest'
import { hashOf, placeOf } from '../../../page/app/address/address.ts'
import { viewPath, withQuery } from '../../../page/app/api/paths.ts'

test.each([
  ['', 'views', ''],
  ['#/', 'views', ''],
  ['#/graph', 'graph', ''],
  ['#/views/public.sales', 'view', 'public.sales'],
  ['#/views/public."Odd%2FName"', 'view', 'public."Odd/Name"'],
  ['#/batches/20261120-090000-1f3c9a2b', 'batch', '20261120-090000-1f3c9a2b'],
  ['#/runs/812', 'run', '812'],
  ['#/nowhere', 'unknown', ''],
  ['#/views/100%', 'view', '100%'],
])('the address %s is page %s of "%s"', (hash, page, subject) => {
  expect(placeOf(hash)).toMatchObject({ page, subject })
})

test.each(['public.sales', 'public."Odd/Name?"', 'größe.umsätze', 'a b.c#d'])(
  'the address of the view %s leads to it',
  (view) => {
    expect(placeOf(hashOf('view', view, { as: 'graph' }))).toEqual({
      page: 'view',
      subject: view,
      query: { as: 'graph' },
    })
  },
)

test('an address leaves out what is not set', () => {
  expect(hashOf('views', '', { state: '', q: undefined })).toBe('#/')
  expect(withQuery('/runs', { view: 7, status: '', cursor: undefined, limit: 20 })).toBe(
    '/runs?view=7&limit=20',
  )
})

test('a name that needs percent-encoding goes to the API by id', () => {
  expect(viewPath({ view: 'public.sales', id: 7 })).toBe('/views/public.sales')
  expect(viewPath({ view: 'public."Odd"', id: 7 })).toBe('/views/7')
  expect(viewPath({ view: 'public."Odd"' })).toBe('/views/public.%22Odd%22')
})
