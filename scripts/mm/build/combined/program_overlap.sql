-- One row per program and other program, so that each pair stands twice: once as each of them sees it.
create table program_overlap (
    program varchar not null,
    other_program varchar not null,
    learners_in_both bigint not null,
    certified_in_both bigint not null
);

comment on table program_overlap is
'One row per program and other program: the learners of both. Each pair stands twice.';
comment on column program_overlap.program is 'As in seeds/programs.csv.';
comment on column program_overlap.other_program is 'Another program than that.';
comment on column program_overlap.learners_in_both is 'Learners of both programs; 0 where there are none.';
comment on column program_overlap.certified_in_both is
'Learners who are certificate-eligible in at least one course of each of the two.';

insert into program_overlap
with

in_both as (
    select
        one.program,
        other.program as other_program,
        count(*) as learners_in_both,
        count(*) filter (
            where one.no_certificate_eligible > 0 and other.no_certificate_eligible > 0
        ) as certified_in_both
    from learner_programs as one
    inner join learner_programs as other on one.student_id = other.student_id and one.program != other.program
    group by one.program, other.program
),

-- a program without learners is there, too
pairs as (
    select
        one.program,
        other.program as other_program
    from programs as one
    inner join programs as other on one.program != other.program
),

final as (
    select
        pairs.program,
        pairs.other_program,
        coalesce(in_both.learners_in_both, 0) as learners_in_both,
        coalesce(in_both.certified_in_both, 0) as certified_in_both
    from pairs
    left join in_both on pairs.program = in_both.program and pairs.other_program = in_both.other_program
)

select * from final
order by program, other_program;
