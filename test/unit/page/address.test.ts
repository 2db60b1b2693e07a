import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { hrefOf } from '../../../page/address.ts'

test.each(['public.sales', 'public."Odd/Name?"', 'größe.umsätze', 'a b.c#d', 'per%cent', "it's.<b>&amp;"])(
  'the address of the view %s leads to it',
  async (view) => {
    const app = new Hono().get('/page/views/:subject{.+}', ({ req }) =>
      Response.json([req.param('subject'), req.query()]),
    )
    const answered = await app.request(new URL(hrefOf('view', view, { as: 'graph' }), 'http://page/'))
    expect(await answered.json()).toEqual([view, { as: 'graph' }])
  },
)

test('an address leaves out what is not set', () => {
  expect(hrefOf('views', '', { state: '', q: undefined })).toBe('./')
  expect(hrefOf('views', '', { state: 'stale' })).toBe('./?state=stale')
  expect(hrefOf('run', 812)).toBe('page/runs/812')
})
