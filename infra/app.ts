import { deployEnvironments } from './deploy-environments.ts'
import { environments } from './environments.ts'

deployEnvironments({ environments, file: 'infra/environments.ts' })
