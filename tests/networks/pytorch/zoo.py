"""Networks of many kinds, as people write them: each is called with pairs of small images, and none knows of us."""

import math
import warnings

import torch
import torch.nn.functional as F
from torch import nn

SIZE = (12, 10)


def cell(channels=4, kernel=3, **options):
    return nn.Sequential(nn.Conv2d(1, channels, kernel, **options), nn.ReLU(), nn.MaxPool2d(2))


class Shared(nn.Module):
    """The usual twin: flags for shared weights and for class predictions."""

    def __init__(self, share=True, aux=True):
        super().__init__()
        self.share, self.aux = share, aux
        self.left = cell()
        if not share:
            self.right = cell()
        self.classes = nn.Linear(80, 10)
        self.head = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, x):
        left, right = torch.split(x, 1, dim=1)
        right = self.left(right) if self.share else self.right(right)
        a, b = self.classes(self.left(left).view(-1, 80)), self.classes(right.view(-1, 80))
        out = self.head(torch.cat((a, b), 1))
        return (out, a, b) if self.aux else out


def apart():
    return Shared(share=False, aux=False)


class BatchNormed(nn.Module):
    """One branch with batch normalisation under two names, whose running means move twice a step."""

    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.right = self.left
        self.head = nn.Sequential(nn.Linear(160, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        return self.head(torch.cat([self.left(x[:, :1]).flatten(1), self.right(x[:, 1:]).flatten(1)], 1))


class Cumulative(nn.Module):
    """Running means over all batches, and normalisation without running means or weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(2, momentum=None)
        self.conv = nn.Conv2d(2, 3, 3, bias=False)
        self.second = nn.BatchNorm2d(3, track_running_stats=False)
        self.third = nn.BatchNorm2d(3, affine=False, eps=1e-3, momentum=0.3)
        self.head = nn.Linear(3 * 80, 1)

    def forward(self, x):
        return self.head(self.third(self.second(self.conv(self.first(x)))).flatten(1)).squeeze(1)


class Normed(nn.Module):
    """Layer, group, instance (with and without running means) and weight normalisation."""

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 6, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is old, and in use
            self.old = nn.utils.weight_norm(nn.Conv2d(6, 6, 1), dim=None)
        self.group = nn.GroupNorm(3, 6)
        self.instance = nn.InstanceNorm2d(6, affine=True, track_running_stats=True)
        self.plain = nn.InstanceNorm2d(6)
        self.layer = nn.LayerNorm([6, 10, 8])
        self.rms = nn.RMSNorm(8)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = self.plain(F.elu(self.instance(self.group(self.old(self.conv(x))))))
        return self.head(self.rms(self.layer(x).tanh()).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.skip = nn.Conv2d(channels, channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        out = F.relu(self.norm1(self.conv1(x)), inplace=True)
        out = self.norm2(self.conv2(out))
        out += self.skip(x)
        return F.relu(out)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding="same")
        self.blocks = nn.Sequential(Block(4, 1), Block(4, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        a, b = (self.blocks(self.stem(each.unsqueeze(1))) for each in x.unbind(1))
        return self.head((a - b).abs())


class Dropped(nn.Module):
    """All kinds of dropout; with the probability 0 it can be compared in training too."""

    def __init__(self, p=0.0):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.whole, self.each, self.alpha = nn.Dropout2d(p), nn.Dropout(p), nn.AlphaDropout(p)
        self.feature = nn.FeatureAlphaDropout(p)
        self.hidden, self.head = nn.Linear(4 * 80, 12), nn.Linear(12, 2)

    def forward(self, x):
        x = self.feature(self.whole(F.selu(self.conv(x)))).flatten(1)
        return self.head(self.alpha(self.each(F.selu(self.hidden(x)))))


class Convolutions(nn.Module):
    """Strides, dilation, groups, depthwise, 5x5, kernels that are no square, padding of every mode."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 6, 5, stride=(1, 2), padding=(2, 1)),
            nn.Tanh(),
            nn.Conv2d(6, 6, 3, padding=1, groups=6),
            nn.Conv2d(6, 12, (3, 2), padding=(1, 1), groups=6, padding_mode="reflect"),
            nn.GELU(),
            nn.Conv2d(12, 8, 3, dilation=2, padding=2, groups=4, padding_mode="replicate"),
            nn.Conv2d(8, 20, 3, padding=(1, 2), padding_mode="circular"),
            nn.Conv2d(20, 20, (1, 3), groups=10),
            nn.Conv2d(20, 4, 2, padding="same", dilation=3),
        )
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.layers(x).amax((-1, -2)))


class Transposed(nn.Module):
    """Smaller and larger again: transposed convolutions, upsampling, pixels shuffled."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.wide = nn.ConvTranspose2d(4, 8, 2, dilation=2, bias=False)
        self.one = nn.ConvTranspose1d(8, 2, 4, stride=3, padding=2)
        self.large = nn.Upsample(scale_factor=2, mode="bilinear")

    def branch(self, x):
        x = self.wide(F.softplus(self.up(F.mish(self.down(x)))))
        x = F.pixel_shuffle(F.pixel_unshuffle(x[..., :-2], 2), 2)
        x = F.interpolate(self.large(x), size=(7, 5), mode="bilinear", align_corners=True)
        x = x + F.interpolate(x[:, :, :3, :2], size=(7, 5)) + F.interpolate(x, size=(7, 5), mode="bicubic")
        return self.one(x.flatten(2)).mean(-1)

    def forward(self, left, right):
        return self.branch(left) - self.branch(right)


class Pooled(nn.Module):
    """Pooling: means, adaptive, in ceil mode, padded, overlapping, dilated, in one axis."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        parts = [
            F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
            F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
            F.avg_pool2d(x, (2, 3), divisor_override=5),
            F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
            F.max_pool2d(x, (3, 2), (1, 2), dilation=2, ceil_mode=True),
            F.max_pool2d(x, 7, 7, ceil_mode=True),
            F.max_pool2d(x, 2, 3),
            F.adaptive_avg_pool2d(x, (5, 4)),
            F.adaptive_avg_pool2d(x, (6, None)),
            F.adaptive_max_pool2d(x, (5, 3)),
            F.lp_pool2d(x.abs() + 1, 2, 2),
            F.max_pool1d(x.flatten(2), 5, 3, 2).unsqueeze(-1),
            F.avg_pool1d(x.flatten(2), 4, 3, 1, ceil_mode=True).unsqueeze(-1),
            F.adaptive_avg_pool1d(x.flatten(2), 7).unsqueeze(-1),
        ]
        return torch.stack([(part * part.detach().cos()).sum((1, 2, 3)) for part in parts], 1)


class Activations(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(240, 8)
        self.prelu, self.prelus = nn.PReLU(), nn.PReLU(8)
        self.functions = [
            F.relu, F.relu6, F.elu, F.selu, F.celu, F.gelu, F.leaky_relu, F.silu, F.mish, F.hardswish, F.hardsigmoid,
            F.hardtanh, F.softplus, F.softsign, F.tanhshrink, F.hardshrink, F.softshrink, F.logsigmoid, torch.tanh,
            torch.sigmoid, torch.erf, torch.sin, torch.exp, torch.atan,
        ]  # fmt: skip

    def forward(self, x):
        x = self.layer(x.flatten(1))
        each = [function(x) for function in self.functions]
        each += [self.prelu(x), self.prelus(x), F.gelu(x, approximate="tanh"), F.elu(x, 0.5), F.celu(x, 2.0)]
        each += [F.rrelu(x), F.threshold(x, 0.1, -2.0), F.glu(x).repeat(1, 2), F.leaky_relu(x, 0.3), x.clamp(-0.2, 0.3)]
        return torch.stack(each).sum(0), F.softmax(x, 1), F.log_softmax(x, -1)


class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(240, 32), nn.Sigmoid(), nn.Linear(32, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x).squeeze()


class LogSoftmax(Perceptron):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(240, 2), nn.LogSoftmax(dim=1))


class Rows(nn.Module):
    """One image a row: the two of a pair follow each other; predictions of classes alone."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(cell(), nn.Flatten(), nn.Linear(80, 10))

    def forward(self, x):
        n, channels, _, _ = x.shape
        assert channels == 1
        assert n % 2 == 0
        return self.layers(x)


class WithChannels(nn.Module):
    """Pairs (n, 2, 1, h, w), and predictions stacked."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(cell(), nn.Flatten(), nn.Linear(80, 10))

    def forward(self, x):
        return torch.stack([self.layers(x[:, i]) for i in range(x.size(1))], dim=1)


class Sparse(nn.Module):
    """None among the outputs, a dict and a tuple of one."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(240, 2)

    def forward(self, x):
        out = self.layer(x.reshape(len(x), -1))
        return None, (out,), {"logits": out * 2, "nothing": None}


class Distances(nn.Module):
    """Two images, and how far their embeddings are apart."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential(nn.Flatten(), nn.Linear(120, 6))

    def forward(self, left, right):
        a, b = self.embed(left), self.embed(right)
        normal = F.normalize(a, dim=1), F.normalize(b, p=1.5, dim=1)
        near = torch.cdist(a, b).diagonal()
        return (
            a,
            b,
            torch.stack(
                [
                    F.cosine_similarity(a, b),
                    F.pairwise_distance(a, b),
                    (normal[0] * normal[1]).sum(1),
                    near,
                    torch.norm(a - b, dim=1),
                ],
                1,
            ),
        )


class Attending(nn.Module):
    """Attention of two kinds on strips of the images, with places learnt."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(10, 8)
        self.places = nn.Parameter(torch.randn(1, 24, 8) * 0.1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embed(x.flatten(1, 2)) + self.places
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], dim=1)
        x = x + self.attention(x, x, x)[0]
        x = self.encoder(x) + F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return self.head(x[:, 0])


class Tied(nn.Module):
    """A parameter used twice, a module under two names, a layer nobody calls, a frozen one."""

    def __init__(self):
        super().__init__()
        self.code = nn.Linear(240, 6)
        self.decode = nn.Linear(6, 240)
        self.decode.weight = nn.Parameter(torch.randn(240, 6) * 0.1)
        self.same = nn.Linear(240, 6)
        self.same.weight = self.code.weight
        self.dead = nn.Linear(3, 3)
        self.frozen = nn.Linear(6, 6)
        self.frozen.requires_grad_(False)
        self.scale = nn.ParameterList([nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(1))])
        self.again = self.scale

    def forward(self, x):
        x = x.flatten(1)
        hidden = torch.relu(self.code(x)) * self.scale[0] + self.same(x) * self.again[1]
        return F.linear(self.frozen(hidden), self.code.weight.t()) @ self.code.weight.t() + self.decode(hidden).mean()


class Buffered(nn.Module):
    """Buffers that change and do not, tensors that are plain attributes, constants in the code."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 2, 1, 1))
        self.register_buffer("steps", torch.tensor(0), persistent=False)
        self.register_buffer("mask", torch.rand(12, 10) > 0.3)
        self.fixed = torch.randn(240, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean((0, 2, 3), keepdim=True), 0.1)
            self.steps += 1
        x = torch.where(self.mask, x - self.mean, torch.tensor(0.5))
        x = x.flatten(1) @ self.fixed / torch.tensor([1.0, 2.0, 3.0, 4.0])
        return self.head(x) * (1 + self.steps) ** -0.5


class InPlace(nn.Module):
    """Writes through views, slices, masks and bases."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(240, 12)

    def forward(self, x):
        h = self.layer(x.flatten(1)).clone()
        before = h[:, 3]
        grid = h.view(-1, 3, 4)
        grid[:, 1] *= 2
        grid.transpose(1, 2)[:, 0, 1:].add_(1.0)
        h[:, ::5] = before.unsqueeze(1).sigmoid()
        h[h < -0.1] = 0.25
        h.mul_(0.5)
        rows = torch.zeros(len(x), 5)
        rows[:, 1:4].copy_(grid[:, 0, :3])
        rows[0] = 7
        rows.t()[4] -= h.sum(1)
        h.unsqueeze_(1).squeeze_(1)
        h.masked_fill_(h > 0.4, 0.0).add_(-0.01).relu_()
        return torch.cat([h, rows, grid.flatten(1), before[:, None]], 1)


class Shapes(nn.Module):
    """Einsum, and the same numbers in many shapes."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 30, 5) * 0.1)
        self.bilinear = nn.Bilinear(5, 5, 3)

    def forward(self, x):
        n = x.shape[0]
        a, b = x.chunk(2, dim=1)
        parts = a.squeeze(1).unfold(1, 6, 6).unfold(2, 5, 5).reshape(n, 4, 30)
        left = torch.einsum("npi,pio->npo", parts, self.weight).mean(1)
        right = b.permute(0, 2, 3, 1).contiguous().view(n, 4, 30).transpose(0, 1).bmm(self.weight).sum(0)
        other = torch.roll(b.flip(-1), (1, -2), (2, 3)).flatten(1).unflatten(1, (4, 30)).movedim(1, 0)
        other = torch.matmul(other, self.weight).swapaxes(0, 1).narrow(1, 1, 2).sum(1)
        windows = F.unfold(b, (3, 2), padding=1, stride=2).mean(2)[:, :5]
        out = self.bilinear(left, right) + torch.tril(other @ other.T)[:, :1].repeat(1, 3)
        return (
            out
            + torch.stack(windows.split([1, 4], dim=1)[1].unbind(1)[:3], -1)
            + torch.baddbmm(
                out[:, None], left[:, None], self.weight[:1, :5, :3].expand(n, 5, 3), beta=0.5, alpha=2
            ).squeeze(1)
        )


class Chosen(nn.Module):
    """Elements by number, order and size; sums of many kinds."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(120, 8)
        self.table = nn.Embedding(9, 8, padding_idx=3)
        self.register_buffer("order", torch.tensor([3, 1, 7, 1]))

    def forward(self, x):
        h = self.layer(x.flatten(2))
        top, places = h.topk(3, dim=-1)
        parts = [top, h.gather(-1, places.flip(-1)), h[..., self.order], h.index_select(-1, self.order), h.sort(-1)[0]]
        parts += [self.table(h.argmax(-1)), h.max(-1, keepdim=True)[0], h.min(dim=-1, keepdim=True).values]
        parts += [h.std(-1, keepdim=True), h.var(-1, unbiased=False, keepdim=True), h.logsumexp(-1, keepdim=True)]
        parts += [
            h.norm(dim=-1, keepdim=True),
            h.norm(1, -1, True),
            h.norm(math.inf, -1, True),
            h.prod(-1, keepdim=True),
        ]
        parts += [
            h.cumsum(-1),
            h.median(-1, keepdim=True)[0],
            F.one_hot(places[..., 0], 8) * h,
            h.amin(-1, keepdim=True),
        ]
        parts += [
            torch.scatter_add(h, -1, places, top),
            h.new_zeros(h.shape).scatter(-1, places, top),
            h.round() + h.frac(),
        ]
        parts += [torch.maximum(h, h.mean()), h.masked_fill(h > 0, 0.1), torch.lerp(h, h * 2, 0.3), torch.arange(8) * h]
        parts += [
            (h.detach() * 8).floor_divide(3),
            h.remainder(0.3),
            torch.div(h.detach(), 0.3, rounding_mode="trunc"),
            h**3,
            2**h,
        ]
        return torch.cat(parts, -1).sum(1)


class Recurrent(nn.Module):
    """Rows of the images read one after the other."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(10, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 5, batch_first=True)
        self.plain = nn.RNN(5, 3, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(6, 1)

    def forward(self, left, right):
        ends = [self.plain(self.gru(self.lstm(x.squeeze(1))[0])[0])[1][-1] for x in (left, right)]
        return self.head(torch.cat(ends, 1)).flatten()


class Warped(nn.Module):
    """A spatial transformer: its pieces are taken apart by PyTorch."""

    def __init__(self):
        super().__init__()
        self.place = nn.Linear(120, 6)
        self.place.weight.data.mul_(0.1)
        self.head = nn.Linear(120, 2)

    def forward(self, left, right):
        theta = self.place(left.flatten(1)).view(-1, 2, 3) + torch.eye(2, 3)
        moved = F.grid_sample(right, F.affine_grid(theta, list(right.shape), align_corners=False), align_corners=False)
        return self.head((left - moved).flatten(1))


class Lazy(nn.Module):
    """Layers that find their shapes themselves."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))

    def forward(self, x):
        return self.layers(x)


class OneAxis(nn.Module):
    """Convolutions in one axis and in three, channels shuffled, spectral normalisation and orthogonal weights."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv1d(2, 4, 5, stride=2, padding=2, padding_mode="circular")
        self.three = nn.Conv3d(1, 2, (2, 3, 3), padding=(1, 0, 0))
        self.turn = nn.utils.parametrizations.orthogonal(nn.Linear(4 + 6, 5))
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 2))

    def forward(self, x):
        one = F.channel_shuffle(self.one(x.flatten(2)), 2).amax(-1)
        three = F.avg_pool3d(self.three(x.unsqueeze(1)), (1, 2, 2)).mean((3, 4)).flatten(1)
        return self.head(self.turn(torch.cat([one, three], 1)))


class Mixed(nn.Module):
    """Types of numbers: comparisons, whole numbers, casts, numbers taken out of tensors."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(240, 4)

    def forward(self, x):
        h = self.layer(x.flatten(1))
        positive = (h > 0).float().sum(1, keepdim=True)
        rank = (h > h.mean()).long().sum(1, keepdim=True) // 2 + (h.argmax(1, keepdim=True) % 3)
        scale = h.detach().abs().max().item()
        return h / (scale + 1) + positive * rank + (rank.to(h.dtype) / 3) * torch.full_like(h, 0.5).type_as(h)


class Kinks(nn.Module):
    """Derivatives where they jump: at ties, at 0 and at bounds."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        h = (x.flatten(1)[:, :40] * 8).round() / 2 * self.scale
        parts = [
            F.relu(h),
            h.abs(),
            h.clamp(-1, 1),
            F.hardtanh(h),
            F.relu6(h * 3),
            F.hardswish(h * 3),
            F.hardsigmoid(h * 3),
        ]
        parts += [
            F.leaky_relu(h, 0.2),
            F.elu(h),
            F.softshrink(h),
            F.hardshrink(h),
            F.threshold(h, 0.5, 0.1),
            h.sign() * h,
        ]
        parts += [
            torch.maximum(h, h.flip(1)),
            torch.minimum(h, h.roll(1)),
            F.max_pool1d(h, 3, 2),
            F.prelu(h, self.scale),
        ]
        total = torch.cat([part.cumsum(1).sum(1, keepdim=True) for part in parts], 1)
        zero = h - h
        norms = [
            zero.norm(dim=1),
            zero.std(1),
            F.cosine_similarity(zero, h),
            F.pairwise_distance(h, h),
            zero.norm(1, 1),
        ]
        more = [h.amax(1), h.max(1)[0], h.min(1)[0], h.amin(1), h.norm(math.inf, 1), (h * 0).pow(2).sum(1), *norms]
        return total, torch.stack(more, 1), h.max(), h.min()


class Two(nn.Module):
    """Views of one parameter's memory, and a mixture of experts by where."""

    def __init__(self):
        super().__init__()
        self.whole = nn.Parameter(torch.randn(8, 240) * 0.1)
        self.part = self.whole[2:6]
        self.gate = nn.Linear(240, 1)

    def forward(self, x):
        x = x.reshape(x.shape[0], -1)
        gate = torch.sigmoid(self.gate(x))
        return torch.where(gate > 0.5, F.linear(x, self.whole[:4]) * gate, F.linear(x, self.whole[4:]) * (1 - gate))


class OfColour(nn.Module):
    """Images of three channels, left and right."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, left, right):
        return (self.conv(left) - self.conv(right)).square().mean((2, 3)).sqrt()


class WithoutGradients(nn.Module):
    """Memory that is written without gradients: twice a step, through views, and under a tensor that has some."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(120, 16), nn.Linear(16, 2)
        self.register_buffer("mean", torch.zeros(16))
        self.register_buffer("square", torch.ones(4, 4))

    def branch(self, image):
        z = self.layer(image.flatten(1))
        if self.training:
            with torch.no_grad():
                self.mean.mul_(0.9).add_(z.mean(0), alpha=0.1)
                with torch.enable_grad():
                    z = z * self.mean.clone()
                self.square.view(-1).copy_(self.mean)
            with torch.no_grad():
                self.square[0] += 1
        shown = z * 2
        apart = shown.detach()
        with torch.no_grad():
            shown.clamp_(-0.5, 0.5)
            apart[:, 1].mul_(3)
            scaled = shown * 3
        scaled[:, 2] += z[:, 2]
        return shown * scaled * z.sin() - self.mean + self.square.flatten() + apart

    def forward(self, x):
        return self.head(self.branch(x[:, 0]) - self.branch(x[:, 1]))


KINDS = {
    "shared": Shared,
    "apart": apart,
    "batch normalisation under two names": BatchNormed,
    "cumulative means": Cumulative,
    "layer, group, instance, weight normalisation": Normed,
    "residual": Residual,
    "dropout of probability 0": Dropped,
    "convolutions": Convolutions,
    "transposed convolutions": Transposed,
    "pooling": Pooled,
    "activations": Activations,
    "perceptron with a probability": Perceptron,
    "log-softmax": LogSoftmax,
    "rows": Rows,
    "pairs with channels": WithChannels,
    "None, dict, tuple of one": Sparse,
    "distances": Distances,
    "attention": Attending,
    "tied": Tied,
    "buffers": Buffered,
    "in place": InPlace,
    "shapes and einsum": Shapes,
    "chosen elements": Chosen,
    "recurrent": Recurrent,
    "spatial transformer": Warped,
    "lazy": Lazy,
    "one axis and three": OneAxis,
    "types of numbers": Mixed,
    "kinks": Kinks,
    "mixture": Two,
    "without gradients": WithoutGradients,
    "colour": OfColour,
}
