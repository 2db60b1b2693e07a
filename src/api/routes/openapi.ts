import { route } from '../route.ts'

export const getOpenapi = route({
  method: 'GET',
  path: '/openapi.json',
  policy: 'read',
  function: 'api',
  says: 'Describes the API by OpenAPI 3.1',
  gives: async () => (await import('../answers.ts')).openapiDocument,
  async answer({ security }) {
    const { openapi } = await import('../openapi.ts')
    return openapi(security) as Promise<Record<string, unknown>>
  },
})
