import type { AppOptions } from './support/apps/cdk.ts'
import type { TestDatabase } from './support/project/database.ts'

/** An environment of the test's own, on a database that exists already. */
export const environmentOf = (
  { port, authority }: TestDatabase,
  loginSecret: string,
): Pick<AppOptions, 'environment' | 'server' | 'loginSecret'> => ({
  server: { host: 'localhost', port, authority, databaseName: 'app' },
  loginSecret,
  environment: {
    alarmEmails: ['somebody@example.com'],
    // No batch at 09:00 that would be in the way; those of the views' own schedules.
    nightly: false,
    refreshOnDeploy: true,
  },
})

/** The policy of docs/http.md for somebody who refreshes one view and does nothing else. */
export const refreshPolicy = (apiId: string): object => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'execute-api:Invoke',
      Resource: `arn:aws:execute-api:us-east-1:000000000000:${apiId}/$default/POST/views/public.sales/refresh`,
    },
  ],
})

/** The policy of docs/http.md for somebody who starts batches and looks at them. */
export const batchPolicy = (apiId: string): object => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'execute-api:Invoke',
      Resource: [
        `arn:aws:execute-api:us-east-1:000000000000:${apiId}/$default/POST/batches`,
        `arn:aws:execute-api:us-east-1:000000000000:${apiId}/$default/GET/batches*`,
      ],
    },
  ],
})

/** The policy of docs/http.md for somebody who uses the command line on an environment. */
export const commandPolicy = (environment: string, migrateFunction: string): object => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'lambda:InvokeFunction',
      Resource: `arn:aws:lambda:us-east-1:000000000000:function:${migrateFunction}`,
    },
    {
      Effect: 'Allow',
      Action: 'ssm:GetParameter',
      Resource: `arn:aws:ssm:us-east-1:000000000000:parameter/viewkeeper/${environment}`,
    },
  ],
})
