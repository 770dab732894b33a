/** Fashion-MNIST: pictures of clothes in the files and shape of MNIST. */
import { mnistKind } from './mnist.js';

export const fashionMnist = mnistKind({
  name: 'fashion-mnist',
  description: 'pictures of clothes, grey',
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  source: 'Xiao, Rasul, Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist, MIT licence',
  isFashion: true,
  augmentation: { cropPadding: 0, flip: false },
});
