import { expect, test } from 'vitest'
import { openerOf } from '../../../cli/open/browser.ts'

test.each([
  ['darwin', {}, ['open']],
  ['win32', {}, ['rundll32', 'url.dll,FileProtocolHandler']],
  ['linux', { DISPLAY: ':0' }, ['xdg-open']],
  ['linux', { WAYLAND_DISPLAY: 'wayland-0' }, ['xdg-open']],
  ['linux', {}, undefined],
] as const)('on %s with %o the browser is opened by %o', (platform, env, opener) => {
  expect(openerOf(platform, env)).toEqual(opener)
})
