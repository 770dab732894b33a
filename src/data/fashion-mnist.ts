/** Fashion-MNIST: pictures of clothes in the files and shape of MNIST. */
import { mnistKind } from './mnist.js';

export const fashionMnist = mnistKind({
  name: 'fashion-mnist',
  description: 'pictures of clothes, grey',
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  source: 'Xiao, Rasul, Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist, MIT licence',
  address: 'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
  files: {
    'train-images-idx3-ubyte.gz': { md5: '8d4fb7e6c68d591d4c3dfef9ec88bf0d', bytes: 26_421_880 },
    'train-labels-idx1-ubyte.gz': { md5: '25c81989df183df01b3e8a0aad5dffbe', bytes: 29_515 },
    't10k-images-idx3-ubyte.gz': { md5: 'bef4ecab320f06d8554ea6380940ec79', bytes: 4_422_102 },
    't10k-labels-idx1-ubyte.gz': { md5: 'bb300cfdad3c16e7a12a480ee83cd310', bytes: 5_148 },
  },
  isFashion: true,
  augmentation: { cropPadding: 0, flip: false },
});
