import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { type FunctionName, functionNames, functions } from '../../src/api/functions.ts'
import { loginVariables } from '../database/login.ts'
import { type FunctionSurroundings, type OfOneFunction, ViewkeeperFunction } from './viewkeeper-function.ts'

export interface FunctionsProps extends FunctionSurroundings {
  /** The queue for events that failed with all of Lambda's retries. */
  deadLetters: IQueue
  /** The folder of the schema steps. */
  schemaFolder: string
  /** The folder of the views' frozen migrations. */
  migrationsFolder: string
  /** Whether a deploy applies the views' migrations. */
  viewMigrations: boolean
}

/** The functions of one environment, each with the right to call the one that the table says. */
export class Functions extends Construct {
  readonly all: Record<FunctionName, ViewkeeperFunction>

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id)
    const create = (name: FunctionName) =>
      new ViewkeeperFunction(this, name, props, name === 'migrate' ? ofMigrate(props) : {})
    this.all = Object.fromEntries(functionNames.map((name) => [name, create(name)])) as typeof this.all
    for (const name of functionNames) {
      const { calls } = functions[name]
      if (calls === undefined) continue
      this.all[name].lambda.addEnvironment(
        `${calls.toUpperCase()}_FUNCTION`,
        this.all[calls].lambda.functionName,
      )
      this.all[name].mayCall(this.all[calls])
    }
  }
}

const ofMigrate = ({
  database,
  schemaFolder,
  migrationsFolder,
  viewMigrations,
}: FunctionsProps): OfOneFunction => ({
  sql: { schema: schemaFolder, migrations: migrationsFolder },
  variables: {
    SCHEMA_FOLDER: './schema/',
    MIGRATIONS_FOLDER: './migrations/',
    ...(viewMigrations ? {} : { VIEW_MIGRATIONS: 'false' }),
    ...(database.connectionLimit && { CONNECTION_LIMIT: String(database.connectionLimit) }),
    ...(database.admin && loginVariables('DATABASE_ADMIN', database.admin)),
  },
})
