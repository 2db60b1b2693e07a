import { App } from 'aws-cdk-lib'
import { ShopStack } from '../lib/shop-stack.ts'
import { ViewsStack } from '../lib/views-stack.ts'

const app = new App()
const shop = new ShopStack(app, 'Shop')
new ViewsStack(app, 'ShopViews', shop)
