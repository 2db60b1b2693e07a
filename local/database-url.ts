import { printDatabaseUrl } from './embedded/lock.ts'

printDatabaseUrl('npm start')
