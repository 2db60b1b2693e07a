import { expect, test } from 'vitest'
import { windowsOverlap } from '../../../infra/environment/windows.ts'
import { created, parse } from '../support/environments.ts'

const withWindows = (windows: object) => () =>
  parse({ ...created, database: { ...created.database, ...windows } } as never)

test.each([
  [{ backupWindow: '1:00-2:00' }, 'database.backupWindow: must look like "01:00-02:00"'],
  [{ backupWindow: '01:00-01:20' }, 'database.backupWindow: must be at least 30 minutes long'],
  [{ maintenanceWindow: '03:00-04:00' }, 'database.maintenanceWindow: must look like "Sun:03:00-Sun:04:00"'],
  [{ maintenanceWindow: 'Sun:03:00-Sun:25:00' }, 'database.maintenanceWindow: must look like '],
  [{ maintenanceWindow: 'Sun:03:00-Sun:03:20' }, 'must be at least 30 minutes long'],
  [{ maintenanceWindow: 'Sun:03:00-Mon:03:00' }, 'must be shorter than 24 hours'],
  [{ maintenanceWindow: 'Sun:04:00-Sun:03:00' }, 'must be shorter than 24 hours'],
  [
    { maintenanceWindow: 'Sun:03:00-Sun:04:00', backupWindow: '03:30-04:30' },
    'database.maintenanceWindow: must not overlap backupWindow',
  ],
])('%j is refused, by the name of the field', (windows, message) => {
  expect(withWindows(windows)).toThrow(message)
})

test.each([
  [{ maintenanceWindow: 'Sun:03:00-Sun:04:00' }],
  [{ backupWindow: '23:30-00:30' }],
  [{ maintenanceWindow: 'Sun:23:30-Mon:00:30', backupWindow: '01:00-02:00' }],
])('%j is accepted', (windows) => {
  expect(withWindows(windows)()).toMatchObject({ database: windows })
})

test.each([
  ['01:00-02:00', 'Sun:02:00-Sun:03:00', false],
  ['01:00-02:00', 'Sun:00:00-Sun:01:00', false],
  ['01:00-02:00', 'Sun:01:59-Sun:03:00', true],
  ['01:00-02:00', 'Sun:00:30-Sun:01:01', true],
  ['01:00-02:00', 'Sat:22:00-Sun:20:00', true],
  ['23:30-00:30', 'Sun:00:00-Sun:01:00', true],
  ['23:30-00:30', 'Sun:23:00-Mon:00:00', true],
  ['00:10-00:50', 'Sun:23:30-Mon:00:30', true],
  ['01:00-02:00', 'Sun:23:30-Mon:00:30', false],
])('a backup at %s and maintenance at %s: they share a minute: %s', (daily, weekly, overlap) => {
  expect(windowsOverlap(daily, weekly)).toBe(overlap)
})
