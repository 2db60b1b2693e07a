import { printDatabaseUrl } from './run/database-url.ts'

printDatabaseUrl('npm start')
