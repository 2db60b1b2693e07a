import { eventFunction } from '../src/api/lambda/function.ts'

/** Has `migrate` called for CloudFormation, in each deploy that changes it and in each rollback. */
export const handler = eventFunction(async (event, context) => {
  const { migrateFor } = await import('../src/api/lambda/deploy.ts')
  return migrateFor(event, context)
})
