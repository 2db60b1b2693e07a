import { printDatabaseUrl } from './embedded/print-url.ts'

printDatabaseUrl('npm start')
