import { expect, test } from 'vitest'
import { readDeployContext } from '../../../infra/viewkeeper-stack.ts'
import { created, imported, parse } from '../support/environments.ts'

const read = (context: Record<string, unknown>, options: Parameters<typeof parse>[0] = created) =>
  readDeployContext((key) => context[key], { name: 'production', environment: parse(options) })

test('a deploy applies the migrations of views and upgrades nothing, unless the command line says otherwise', () => {
  expect(read({})).toEqual({ viewMigrations: true, majorUpgrade: false })
  expect(read({ viewMigrations: 'true' })).toEqual({ viewMigrations: true, majorUpgrade: false })
  expect(read({ viewMigrations: 'false' })).toEqual({ viewMigrations: false, majorUpgrade: false })
  expect(read({ viewMigrations: false })).toEqual({ viewMigrations: false, majorUpgrade: false })
  expect(read({ upgradeTo: '18' })).toEqual({ viewMigrations: true, majorUpgrade: true })
})

test.each([
  [{ viewMigrations: 'no' }, created, '-c viewMigrations=no: write true or false'],
  [{ upgradeTo: '19' }, created, '-c upgradeTo=19: postgresVersion of production is 18; '],
  [{ upgradeTo: 'true' }, created, '-c upgradeTo=true: postgresVersion of production is 18; '],
  [{ upgradeTo: '18' }, imported, '-c upgradeTo=18: the database of production is imported; '],
])('%j is refused', (context, options, message) => {
  expect(() => read(context, options)).toThrow(message)
})
